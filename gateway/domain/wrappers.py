"""What agents and retrieval put around a user's ask, and what they write in a user's name.

Tags are those that coding agents send today (Claude Code, Codex, Cline, opencode, Cursor, Continue), and the usual ones
of retrieval. Whole messages are known by how they begin. A list of what others do: it grows with them.
"""

import re

_WRAPPERS = (
    "INSTRUCTIONS|additional_data|attached_files|attachments|available_skills|bash-input|bash-stderr|bash-stdout"
    "|command-message|command-name|context|current_file|document|document_content|documents|editor_context|env"
    "|environment_context|environment_details|file|file_content|file_contents|files|function_results|git_status"
    "|hook_context|ide_opened_file|ide_selection|local-command-caveat|local-command-stderr|local-command-stdout"
    "|new-diagnostics|open_files|persisted-output|project_layout|repo_map|retrieved_documents|search_results|skill"
    "|subagent_notification|system-reminder|system_reminder|task-notification|task_notification|tool_result"
    "|turn_aborted|user-prompt-submit-hook|user_info|user_instructions|user_shell_command|workspace"
)
_ASKS = "user_query|user_message|user_request|user_input|user_command|question|task"
_OPENING = re.compile(rf"<(?:(?P<wrapper>{_WRAPPERS})|(?P<ask>{_ASKS}))(?:\s[^<>]{{0,500}})?>")
_OF_AGENTS = re.compile(
    r"# AGENTS\.md instructions for "  # Codex: the rest of it is a wrapper
    r"|\[Request interrupted by user"  # Claude Code
    r"|\[SYSTEM\] This run is not complete|\[SYSTEM\] You still have "  # Cline
    r"|\[ERROR\] You did not use a tool"  # Cline and those that began as it
    r"|\[[a-z_]{1,40}(?: for [^\n]{0,500})?\] Result:"  # their results of tools
    r"|I have \*added these files to the chat\*|Here are summaries of some files present in my git repository"  # aider
    r"|Here are some READ ONLY files|I am not sharing any files that you can edit|I switched to a new code base\."
    r"|<returncode>|OBSERVATION:\n"  # SWE-agent and its small brother
)


def asks_nothing(ask: str) -> bool:
    """An agent wrote this text, as whole messages in a user's name: files, results of tools, "go on"."""
    return _OF_AGENTS.match(ask) is not None


def without_wrappers(text: str) -> str:
    """What a user asks in `text`: without what agents put around it, or only what they mark as the ask.

    One pass: a tag that is never closed is no wrapper, and is looked for once.
    """
    if "<" not in text:
        return text
    outside: list[str] = []
    inside: list[str] = []
    unclosed: set[str] = set()
    at = 0
    while (opening := _OPENING.search(text, at)) is not None:
        name, start = opening["wrapper"] or opening["ask"], opening.end()
        end = -1 if name in unclosed else text.find(f"</{name}>", start)
        outside.append(text[at : opening.start()])
        if end < 0:
            unclosed.add(name)
            outside.append(opening[0])
            at = start
            continue
        at = end + len(f"</{name}>")
        if opening["ask"]:
            # Elsewhere than at the beginning it is not an agent's mark, but XML that the user asks about.
            is_mark = bool(inside) or not any(piece.strip() for piece in outside)
            (inside if is_mark else outside).append(text[start:end] if is_mark else text[opening.start() : at])
    return "\n".join(inside).strip() or "".join((*outside, text[at:])).strip()
