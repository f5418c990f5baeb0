// Prints the referee's table as Markdown: node referee-table.mjs CASES JSON
//
// CASES: lines "name|bytes|estimate in ns|estimated bytes|parts" of the arbitration pallet's
// benchmark cases; JSON: what frame-omni-bencher measured of them, one component value for each
// case.
import { readFileSync } from "node:fs";

const [casesFile, jsonFile] = process.argv.slice(2);
const cases = readFileSync(casesFile, "utf8")
	.trim()
	.split("\n")
	.map((line) => line.split("|"));
const times = cases.map(() => []);
for (const batch of JSON.parse(readFileSync(jsonFile, "utf8"))) {
	for (const result of batch.time_results ?? []) {
		const [, value] = result.components.find(([name]) => name === "c");
		times[value].push(result.extrinsic_time / 1e6);
	}
}
console.log(
	"| operator, size | parts | bytes of a part | measured ms, median (least) " +
		"| check's estimate, ms |",
);
console.log("|---|--:|--:|--:|--:|");
let above = 0;
cases.forEach(([name, bytes, nanoseconds, , parts], at) => {
	const sorted = times[at].sort((a, b) => a - b);
	if (sorted.length === 0)
		throw new Error(`case ${at} was not measured: are steps and cases as many?`);
	const median = sorted[Math.floor(sorted.length / 2)];
	const estimate = Number(nanoseconds) / 1e6;
	above += median > estimate ? 1 : 0;
	const measured = `${median.toFixed(2)} (${sorted[0].toFixed(2)})`;
	const length = Number(bytes).toLocaleString("en");
	console.log(`| ${name} | ${parts} | ${length} | ${measured} | ${estimate.toFixed(2)} |`);
});
console.log(`\n${above} of ${cases.length} cases took longer than the estimate.`);
