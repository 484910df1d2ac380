"use strict";

// The page asks three questions of the server beside it (server.py) and shows the answers. It stores nothing.

const LIVE_MS = 2000;
const byId = (id) => document.getElementById(id);
let prices = {}; // US dollars per million tokens, by LLM; an LLM without a price is missing
let states = {}; // states of the endpoints, by LLM
let shown = null; // the decision on the page

async function ask(path, body) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function fixed(value, digits) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

function heading(text) {
  const made = element("th", text);
  made.scope = "row";
  return made;
}

/** A bar with its number beside it; `share` from 0 to 1 is its length, `label` says what it measures. */
function bar(share, text, label) {
  const cell = element("td");
  const box = element("div", undefined, "bar");
  const progress = element("progress");
  progress.max = 1;
  progress.value = share;
  progress.setAttribute("aria-label", label);
  box.append(progress, element("span", text));
  cell.append(box);
  return cell;
}

// ---- the decision

function question() {
  const text = byId("text").value;
  if (document.querySelector("[name=kind]:checked").value === "query") return { query: text };
  const chat = JSON.parse(text);
  return { messages: Array.isArray(chat) ? chat : chat.messages };
}

async function askRouter(event) {
  event.preventDefault();
  byId("error").hidden = true;
  byId("send").disabled = true;
  try {
    show(await ask("api/route", question()));
    remember(shown);
  } catch (error) {
    byId("error").textContent = error instanceof SyntaxError ? `The chat is not JSON: ${error.message}` : error.message;
    byId("error").hidden = false;
  } finally {
    byId("send").disabled = false;
  }
}

/** The cost weight with which the gateway decided: what a candidate lost, by its price. */
function decidedWeight(candidates) {
  const priced = candidates.filter((c) => prices[c.llm] > 0);
  return priced.length ? Math.max(0, (priced[0].score - priced[0].adjusted) / prices[priced[0].llm]) : 0;
}

function show(decision) {
  shown = { ...decision, weight: decidedWeight(decision.candidates) };
  byId("decision").hidden = false;
  byId("rule").textContent = decision.rule;
  const cut = decision.truncated ? "; the query was longer than the router reads, and the rest was cut off" : "";
  const read = decision.scored ? `${decision.tokens} tokens read${cut} · ` : "";
  byId("facts").textContent = `${decision.reason} · ${read}${fixed(decision.milliseconds, 2)} ms in the gateway`;
  showFamiliarity(decision.familiarity);
  showNeighbours(decision.neighbours);
  prepareSlider();
  rerank();
}

/** How like the training queries the query is, where the bundle knows it: from 0 to 1. */
function showFamiliarity(familiarity) {
  byId("familiarity-part").hidden = familiarity === null;
  if (familiarity === null) return;
  byId("familiarity").value = familiarity;
  const meaning =
    familiarity < 0.05 ? "the scores are the LLMs' quality in general"
    : familiarity > 0.95 ? "the scores are about this query"
    : "the scores lie between the LLMs' quality in general and their quality on this query";
  byId("familiarity-meaning").textContent = `${fixed(familiarity, 2)} of 1: ${meaning}`;
}

/** What the router learned from nearby, where the bundle holds it: the grade of each LLM, the best first. */
function showNeighbours(neighbours) {
  byId("neighbours-part").hidden = !neighbours?.length;
  byId("neighbours").tBodies[0].replaceChildren(...(neighbours ?? []).map(neighbourRow));
}

function neighbourRow(neighbour) {
  const grades = Object.entries(neighbour.grades).sort(([, a], [, b]) => b - a);
  const row = element("tr");
  row.append(
    heading(neighbour.query),
    element("td", fixed(neighbour.similarity, 2), "number"),
    element("td", grades.map(([llm, grade]) => `${llm} ${grade}`).join(", ")),
  );
  return row;
}

function prepareSlider() {
  const known = shown.candidates.map((c) => prices[c.llm]).filter((price) => price !== undefined);
  const spread = Math.max(...known) - Math.min(...known);
  const possible = shown.scored && known.length === shown.candidates.length && spread > 0;
  const scores = shown.candidates.map((c) => c.score);
  const slider = byId("weight");
  // From the weight 0 to one at which the cheapest LLM wins whatever its score.
  slider.max = possible ? Math.max((1.05 * (Math.max(...scores) - Math.min(...scores))) / spread, shown.weight) : 1;
  slider.value = shown.weight;
  slider.disabled = byId("reset").disabled = !possible;
}

function ranked(weight) {
  if (!shown.scored) return shown.candidates;
  const cost = (llm) => (weight ? weight * prices[llm] : 0);
  return shown.candidates
    .map((c) => ({ ...c, adjusted: c.score - cost(c.llm) }))
    .sort((a, b) => b.adjusted - a.adjusted);
}

/** Shows the candidates as the slider's weight ranks them; at the decision's own weight, as they were decided. */
function rerank() {
  const slider = byId("weight");
  const weight = slider.disabled ? shown.weight : Number(slider.value);
  const asDecided = Math.abs(weight - shown.weight) < 1e-9;
  const rows = asDecided ? shown.candidates : ranked(weight);
  byId("weight-value").textContent = weight.toFixed(3);
  byId("expected").textContent = expected(rows[0], asDecided);
  const low = Math.min(0, ...rows.map((c) => c.adjusted));
  const high = Math.max(...rows.map((c) => c.adjusted), low + 1e-9);
  byId("candidates").tBodies[0].replaceChildren(...rows.map((c, i) => candidateRow(c, i === 0, low, high)));
}

function expected(best, asDecided) {
  const cost = prices[best.llm] === undefined ? "unknown" : `US$ ${prices[best.llm]} per million tokens`;
  const quality = best.confidence === null ? "not calibrated" : `${(100 * best.confidence).toFixed(0)} % good answers`;
  const start = asDecided ? "As decided" : `With this weight ${best.llm} would answer`;
  const why = byId("weight").disabled ? " The slider needs scores, and prices that differ, for every LLM." : "";
  return `${start}: expected quality ${quality}, cost ${cost}.${why}`;
}

function candidateRow(candidate, chosen, low, high) {
  const row = element("tr", undefined, chosen ? "chosen" : undefined);
  const name = heading(chosen ? `✔ ${candidate.llm}` : candidate.llm);
  const score = shown.scored ? fixed(candidate.adjusted, 3) : "not scored";
  const share = shown.scored ? (candidate.adjusted - low) / (high - low) : 0;
  row.append(
    name,
    bar(share, score, `score after cost of ${candidate.llm}`),
    element("td", shown.scored ? fixed(candidate.score, 3) : "–", "number"),
    element("td", fixed(candidate.confidence, 2), "number"),
    element("td", prices[candidate.llm] ?? "–", "number"),
  );
  return row;
}

function remember(decision) {
  byId("asked").prepend(element("li", `${decision.hash} → ${decision.llm} (${decision.reason})`));
}

function kindChanged() {
  const chat = document.querySelector("[name=kind]:checked").value === "messages";
  document.querySelector("label[for=text]").textContent = chat ? "Chat" : "Query";
  byId("text").placeholder = chat ? '[{"role": "user", "content": "…"}]' : "";
}

// ---- what happens now

async function readLive() {
  if (!byId("watch").checked || document.hidden) return;
  try {
    const [pool, live] = [await ask("api/pool"), await ask("api/live")];
    prices = Object.fromEntries(pool.llms.filter((llm) => llm.price !== null).map((llm) => [llm.llm, llm.price]));
    states = Object.fromEntries(pool.llms.map((llm) => [llm.llm, llm.endpoints.map((e) => e.state)]));
    showLive(pool, live);
    showDecisions((await ask("api/decisions")).decisions);
  } catch (error) {
    byId("status").textContent = `no answer: ${error.message}`;
  }
}

function showLive(pool, live) {
  byId("status").textContent = `${live.ready ? "ready" : "not ready"} · bundle ${pool.bundle} · default ${pool.default}`;
  byId("window").textContent = `over the last ${live.seconds.toFixed(0)} s`;
  const counts = (named) => Object.entries(named).map(([name, n]) => `${name.replaceAll("_", " ")} ${n}`).join(", ") || "none";
  showFigures({
    "decisions a second": fixed(live.decisions_per_second, 1),
    "in flight": fixed(live.in_flight, 0),
    fallbacks: counts(live.fallbacks),
    errors: counts(live.errors),
    Tritons: counts(Object.fromEntries(Object.entries(live.tritons).filter(([, n]) => n))),
    "shadow agrees": live.shadow_agreement === null ? "–" : `${(100 * live.shadow_agreement).toFixed(1)} %`,
    "shadow's queries": counts(live.shadow),
  });
  byId("shares").tBodies[0].replaceChildren(...Object.keys(states).map((llm) => shareRow(llm, live.shares[llm] ?? 0)));
  byId("stages").tBodies[0].replaceChildren(...Object.entries(live.stages).map(([stage, q]) => stageRow(stage, q)));
}

/** The gateway's last decisions from its log; without one, how to have it. */
function showDecisions(decisions) {
  byId("no-log").hidden = decisions !== null;
  byId("log").hidden = decisions === null;
  byId("decisions").tBodies[0].replaceChildren(...(decisions ?? []).map(decisionRow));
}

function decisionRow(decision) {
  const row = element("tr");
  const time = element("td", decision.time.slice(11, 19));
  row.append(time, heading(decision.asked), element("td", decision.llm), element("td", decision.reason.replaceAll("_", " ")));
  row.append(element("td", fixed(decision.total_ms, 2), "number"));
  return row;
}

function showFigures(figures) {
  const pairs = Object.entries(figures).map(([name, value]) => {
    const pair = element("div");
    pair.append(element("dt", name), element("dd", value));
    return pair;
  });
  byId("figures").replaceChildren(...pairs);
}

function shareRow(llm, share) {
  const row = element("tr");
  row.append(heading(llm), bar(share, `${(100 * share).toFixed(0)} %`, `share of ${llm}`), element("td", states[llm].join(", ")));
  return row;
}

function stageRow(stage, quantiles) {
  const row = element("tr");
  row.append(heading(stage));
  for (const name of ["p50", "p99"]) row.append(element("td", fixed(quantiles[name], 2), "number"));
  return row;
}

byId("ask").addEventListener("submit", askRouter);
byId("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("ask").requestSubmit();
});
document.querySelectorAll("[name=kind]").forEach((radio) => radio.addEventListener("change", kindChanged));
byId("weight").addEventListener("input", rerank);
byId("reset").addEventListener("click", () => {
  byId("weight").value = shown.weight;
  rerank();
});
readLive();
setInterval(readLive, LIVE_MS);
