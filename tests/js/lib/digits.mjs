// The digits job of examples/digits, as a wallet's user would put it together.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { u8aToHex } from "@polkadot/util";
import { canonical, readSafetensors, root, upload } from "./tensors.mjs";

const folder = fileURLToPath(new URL("../../../examples/digits/", import.meta.url));

export const program = readFileSync(`${folder}digits.program`);
export const programId = root(program);
export const programHex = u8aToHex(program);

/** Uploads images and weights; resolves to the roots in the order of the program's inputs. */
export async function uploadInputs(api) {
	const tensors = {
		...readSafetensors(`${folder}digits.safetensors`),
		...readSafetensors(`${folder}weights.safetensors`),
	};
	const layer = (i) =>
		["weight", "bias", "multiplier", "shift"].map((part) => `layer${i}.${part}`);
	const names = ["images", ...layer(0), ...layer(1), ...layer(2)];
	const roots = [];
	for (const name of names) roots.push(await upload(api, canonical(tensors[name])));
	return roots;
}

/** Canonical bytes of the images, with every pixel changed. */
export const images = (change) => {
	const { images } = readSafetensors(`${folder}digits.safetensors`);
	return canonical({ ...images, data: images.data.map(change) });
};

export const labels = () => {
	const { data } = readSafetensors(`${folder}digits.safetensors`).labels;
	return Array.from({ length: data.length / 4 }, (_, i) => data.readInt32LE(4 * i));
};
