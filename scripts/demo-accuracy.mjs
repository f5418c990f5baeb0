// Compares the classes that the chain paid for with the true labels and with the float model.
// Usage: node scripts/demo-accuracy.mjs OUTPUTS.safetensors DIGITS_FOLDER
// Exits 1 when the accuracy is not within one percentage point of the float model's.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One i32 tensor of a safetensors file: 8 bytes of header length, a JSON header, then the data. */
function readI32(file, name) {
	const bytes = readFileSync(file);
	const headerLength = Number(bytes.readBigUInt64LE(0));
	const header = JSON.parse(bytes.subarray(8, 8 + headerLength).toString());
	const tensor = header[name];
	if (tensor?.dtype !== "I32") throw new Error(`${file} has no I32 tensor '${name}'`);
	const [start, end] = tensor.data_offsets;
	const data = bytes.subarray(8 + headerLength + start, 8 + headerLength + end);
	return Array.from({ length: data.length / 4 }, (_, i) => data.readInt32LE(4 * i));
}

const [outputs, folder] = process.argv.slice(2);
const classes = readI32(outputs, "classes");
const labels = readI32(join(folder, "digits.safetensors"), "labels");
const trained = JSON.parse(readFileSync(join(folder, "accuracy.json")));

const percent = (x) => `${(100 * x).toFixed(2)} %`;
let failed = classes.length !== labels.length;
for (const [title, key, keep] of [
	["held-out images", "held_out", (i) => i % 5 === 0],
	["all images", "all", () => true],
]) {
	const indices = labels.map((_, i) => i).filter(keep);
	const accuracy = indices.filter((i) => classes[i] === labels[i]).length / indices.length;
	const float = trained[key].float;
	console.log(
		`classification accuracy, ${title} (${indices.length}): job ${percent(accuracy)}, ` +
			`float model ${percent(float)}`,
	);
	failed ||= Math.abs(accuracy - float) > 0.01;
}
if (failed) {
	console.error("the job's accuracy is not within 1 percentage point of the float model's");
	process.exit(1);
}
