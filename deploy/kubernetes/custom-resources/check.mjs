// Checks custom resources against their projects' own API types: node check.mjs FOLDER < objects.json (an array)
//
// FOLDER has the node_modules that package.json asks for (make check-kubernetes puts them into .cache/kubernetes).
// Twice, because each finds what the other cannot: JSON schemas know patterns, ranges and what is required; TypeScript's
// types know which fields there are at all. Prints one line for each problem and ends with 1 where there is one.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const PACKAGES = {
  "gateway.envoyproxy.io": "@kubernetes-models/envoy-gateway",
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api",
  "keda.sh": "@kubernetes-models/keda",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
};
const installed = resolve(process.argv[2]);
const objects = JSON.parse(readFileSync(0, "utf8"));

const moduleOf = ({ apiVersion, kind }) => `${PACKAGES[apiVersion.split("/")[0]]}/${apiVersion}/${kind}`;
const name = ({ kind, metadata }) => `${kind} ${metadata.name}`;

async function againstSchemas() {
  const problems = [];
  for (const object of objects) {
    const { [object.kind]: Model } = await import(pathToFileURL(join(installed, "node_modules", `${moduleOf(object)}.js`)));
    try {
      new Model(object).validate();
    } catch (error) {
      problems.push(`${name(object)}: ${error.message}`);
    }
  }
  return problems;
}

function againstTypes() {
  const folder = mkdtempSync(join(installed, "types-"));
  try {
    const files = objects.map((object, i) => {
      const file = join(folder, `${i}.ts`);
      const type = `I${object.kind}`;
      const text = `import type { ${type} } from "${moduleOf(object)}";\nexport const object: ${type} = `;
      writeFileSync(file, text + JSON.stringify(object, null, 1) + ";\n");
      return file;
    });
    const flags = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--pretty", "false"];
    const done = spawnSync(join(installed, "node_modules/.bin/tsc"), [...flags, ...files], { cwd: installed, encoding: "utf8" });
    if (done.error) throw done.error;
    const told = done.stdout.split("\n").filter((line) => line.includes("error TS"));
    return told.map((line) => line.replace(/^.*?(\d+)\.ts/, (_, i) => name(objects[Number(i)])));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const problems = [...(await againstSchemas()), ...againstTypes()];
problems.forEach((problem) => console.log(problem));
console.log(`${objects.length} objects checked, ${problems.length} problems`);
process.exit(problems.length ? 1 : 0);
