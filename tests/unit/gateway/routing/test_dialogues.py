"""Dialogues over the shipped bundle: a reply that asks nothing new keeps the LLM, a new subject may change it.

The dialogues are generated: questions of several domains, followed by what people and agents send next.
"""

import asyncio
import time
from collections.abc import Iterator
from itertools import product

import pytest

from gateway.config.endpoints_file import EndpointsFile
from gateway.domain.conversation import Message, conversation
from gateway.domain.decision import Decision
from gateway.domain.query import RouteQuery
from gateway.limits.query_budget import QueryBudget
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.routing.router import Router
from tests.support.gateways.bundle_scorer import BundleScorer

SUMS = [
    f"{name} buys {n} boxes of {n + 9} pencils and gives away {4 * n} of them. How many pencils are left?"
    for n, name in enumerate(["Ann", "Bo", "Cy", "Di", "Ed"], 3)
]
CODE = [
    f"Write a Python function {name} that {what}. Include type hints."
    for name, what in (
        ("is_prime", "tells whether a number is prime"),
        ("flatten", "flattens a list of lists"),
        ("count_words", "counts the words of a text"),
        ("rotate", "rotates a list by k places"),
        ("gcd", "returns the greatest common divisor of two numbers"),
    )
]
KNOWLEDGE = [
    "Which part of the cell turns glucose into usable energy?\nA. nucleus\nB. mitochondrion\nC. ribosome\nD. membrane",
    "Which gas do plants take up for photosynthesis?\nA. oxygen\nB. nitrogen\nC. carbon dioxide\nD. helium",
    "Who wrote the novel Middlemarch, and in which decade of the nineteenth century was it published?",
    "What distinguishes a felony from a misdemeanour in common law?",
    "Why is the sky red in the evening, although it is blue at noon?",
]
CHINESE = [
    "中国历史上第一个统一的王朝是哪一个？它是由谁建立的？",
    "下列哪一项属于可再生能源？A. 煤 B. 石油 C. 风能 D. 天然气",
    "请解释供求关系怎样影响市场上的商品价格。",
    "光合作用发生在植物细胞的哪个结构里？请简要说明它的过程。",
    "唐代诗人李白和杜甫的诗歌风格有什么不同？",
]
QUESTIONS = [*SUMS, *CODE, *KNOWLEDGE, *CHINESE]
REMINDER = "<system-reminder>\nThe todo list is empty. Do not mention this.\n</system-reminder>"
LISTING = "<files>\n" + "\n".join(f"src/module_{i}.py" for i in range(200)) + "\n</files>"
REPLIES = [
    "yes",
    "Yes, do it",
    "continue",
    "go on please",
    "ok",
    "thanks",
    "why?",
    "are you sure?",
    "thanks, now in French",
    "好的，继续",
    "",  # an image alone
    REMINDER,
    f"{LISTING}\nok",
    f"yes\n{REMINDER}",
]
# "Yes", "yes, do it", "continue", "please continue", "thanks", "why?", "are you sure?"
OF_LANGUAGES = {
    "Spanish": "sí|sí, hazlo|continúa|sigue, por favor|gracias|¿por qué?|¿estás seguro?",
    "German": "ja|ja, mach|weiter|mach bitte weiter|danke|warum?|bist du sicher?",
    "French": "oui|oui, vas-y|continue|continue s'il te plaît|merci|pourquoi ?|tu es sûr ?",
    "Italian": "sì|sì, fallo|continua|vai avanti, per favore|grazie|perché?|sei sicuro?",
    "Portuguese": "sim|sim, faça isso|continue|continue, por favor|obrigado|por quê?|tem certeza?",
    "Polish": "tak|tak, zrób to|kontynuuj|kontynuuj, proszę|dziękuję|dlaczego?|jesteś pewien?",
    "Turkish": "evet|evet, yap|devam et|lütfen devam et|teşekkürler|neden?|emin misin?",
    "Vietnamese": "vâng|vâng, làm đi|tiếp tục|làm ơn tiếp tục đi|cảm ơn|tại sao?|bạn có chắc không?",
    "Russian": "да|да, сделай это|продолжай|продолжай, пожалуйста|спасибо|почему?|ты уверен?",
    "Ukrainian": "так|так, зроби це|продовжуй|продовжуй, будь ласка|дякую|чому?|ти впевнений?",
    "Greek": "ναι|ναι, κάν' το|συνέχισε|συνέχισε, σε παρακαλώ|ευχαριστώ|γιατί;|είσαι σίγουρος;",
    "Arabic": "نعم|نعم، افعل ذلك|تابع|استمر من فضلك|شكرا|لماذا؟|هل أنت متأكد؟",
    "Hebrew": "כן|כן, תעשה את זה|תמשיך|תמשיך בבקשה|תודה|למה?|אתה בטוח?",
    "Hindi": "हाँ|हाँ, कर दो|जारी रखें|कृपया जारी रखें|धन्यवाद|क्यों?|क्या आपको यकीन है?",
    "Bengali": "হ্যাঁ|হ্যাঁ, করো|চালিয়ে যাও|দয়া করে চালিয়ে যান|ধন্যবাদ|কেন?|তুমি কি নিশ্চিত?",
    "Tamil": "ஆம்|ஆம், செய்|தொடரவும்|தயவுசெய்து தொடரவும்|நன்றி|ஏன்?|நிச்சயமாகவா?",
    "Thai": "ใช่|ทำเลย|ทำต่อ|ทำต่อไปเลยครับ|ขอบคุณครับ|ทำไม?|แน่ใจไหมครับ",
    "Japanese": "はい|はい、お願いします|続けて|続けてください|ありがとう|なぜ？|本当ですか？",
    "Korean": "네|네, 해 주세요|계속해|계속해 주세요|고마워요|왜요?|확실해요?",
    "Chinese": "是|好的，做吧|继续|请继续|谢谢|为什么？|你确定吗？",
    "emoji": "👍|👍🏽|✅|🙏|👨‍👩‍👧‍👦|🤔|❤️🔥🚀",
}
TOOLS = [Message("tool", text) for text in ("42", "Traceback (most recent call last): ZeroDivisionError", "{}")]


@pytest.fixture(scope="module")
def scorer() -> BundleScorer:
    return BundleScorer()


@pytest.fixture
def router(scorer: BundleScorer) -> Router:
    return fresh_router(scorer)


def fresh_router(scorer: BundleScorer, **policy: float) -> Router:
    """A replica: it has never seen any conversation."""
    llms = {
        llm: {"endpoints": [{"address": f"http://h{i}/v1", "model": "m"}]} for i, llm in enumerate(scorer.bundle.llms)
    }
    file = EndpointsFile.model_validate({"default": [scorer.bundle.llms[0]], "llms": llms, "policy": policy})
    return Router(PoolRef(Pool(file)), scorer, QueryBudget(10, 1))


def decide(router: Router, messages: list[Message]) -> Decision:
    talk = conversation(messages)
    query = RouteQuery(talk.text, (), None, 1, "id", conversation=talk, other_bytes=talk.other_bytes)
    return asyncio.run(router.route(query, time.monotonic() + 60))


def llm(router: Router, messages: list[Message]) -> str:
    return decide(router, messages).candidates[0].llm


def turns(*texts: str) -> list[Message]:
    return [m for text in texts for m in (Message("user", text), Message("assistant", "Here is the answer. " * 20))]


def replies() -> Iterator[tuple[list[Message], list[Message]]]:
    """A conversation, and the same with one more message."""
    for question, reply in product(QUESTIONS, REPLIES):
        yield turns(question)[:-1], [*turns(question), Message("user", reply)]
    for question, tool in product(QUESTIONS, TOOLS):
        yield turns(question)[:-1], [*turns(question)[:-1], Message("assistant", ""), tool]
    for (first, second), reply in product(zip(QUESTIONS, QUESTIONS[7:], strict=False), REPLIES):
        yield turns(first, second)[:-1], [*turns(first, second), Message("user", reply)]


@pytest.mark.parametrize("policy", [{}, {"sticky_margin": 0.0, "switch_cost": 0.0}], ids=["default", "never sticky"])
def test_a_reply_that_asks_nothing_new_keeps_the_llm(scorer: BundleScorer, policy: dict[str, float]) -> None:
    router = fresh_router(scorer, **policy)
    kept = [llm(router, before) == llm(router, after) for before, after in replies()]
    assert len(kept) > 500
    assert sum(kept) / len(kept) >= 0.95


@pytest.mark.parametrize("language", OF_LANGUAGES)
def test_a_short_reply_keeps_the_llm_in_every_language(scorer: BundleScorer, router: Router, language: str) -> None:
    replies = OF_LANGUAGES[language].split("|")
    scorer.learn(replies)
    had = {question: llm(router, turns(question)[:-1]) for question in QUESTIONS}
    pairs = list(product(QUESTIONS, replies))
    kept = [llm(router, [*turns(asked), Message("user", reply)]) == had[asked] for asked, reply in pairs]
    assert sum(kept) / len(kept) >= 0.95


def test_a_new_subject_may_change_the_llm(scorer: BundleScorer) -> None:
    router = fresh_router(scorer)
    alone = {question: llm(router, turns(question)[:-1]) for question in QUESTIONS}
    pairs = [(old, new) for old, new in product(QUESTIONS, QUESTIONS) if alone[old] != alone[new]]
    changed = [llm(router, turns(*pair)[:-1]) == alone[pair[1]] for pair in pairs]
    assert len(changed) > 200
    assert sum(changed) / len(changed) >= 0.5  # in the others the new LLM is too little better


def test_any_replica_decides_the_same_as_one_that_saw_the_whole_conversation(scorer: BundleScorer) -> None:
    one = fresh_router(scorer)
    for first, second in zip(QUESTIONS, QUESTIONS[7:], strict=False):
        texts = [first, "yes", second, "continue", "thanks"]
        for n in range(1, len(texts) + 1):
            messages = turns(*texts[:n])[:-1]
            assert llm(one, messages) == llm(fresh_router(scorer), messages)


def test_a_first_turn_is_decided_by_its_text_alone(router: Router) -> None:
    for question in QUESTIONS:
        alone = asyncio.run(router.route(RouteQuery(question, (), None, 1, "id"), time.monotonic() + 60))
        chat = decide(router, [Message("system", "You are a helpful assistant."), *turns(question)[:-1]])
        assert (chat.candidates, chat.reason) == (alone.candidates, alone.reason)
