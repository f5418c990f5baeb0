// Canonical tensor bytes, written from docs/numerics.md alone: 1 KiB tiles in row-major order of
// the tile grid, row-major and little-endian inside, padding zero. A root is the plain BLAKE3 hash
// of these bytes.
import { readFileSync } from "node:fs";
import { blake3 } from "@noble/hashes/blake3";
import { u8aToHex } from "@polkadot/util";

const SIZE = { I8: 1, I16: 2, I32: 4 };
const TILE = { I8: [32, 32], I16: [32, 16], I32: [16, 16] };

/** Every tensor of a safetensors file by name: { dtype, shape, data }. */
export function readSafetensors(file) {
	const bytes = readFileSync(file);
	const headerLength = Number(bytes.readBigUInt64LE(0));
	const header = JSON.parse(bytes.subarray(8, 8 + headerLength).toString());
	delete header.__metadata__;
	return Object.fromEntries(
		Object.entries(header).map(
			([
				name,
				{
					dtype,
					shape,
					data_offsets: [start, end],
				},
			]) => {
				const data = bytes.subarray(8 + headerLength + start, 8 + headerLength + end);
				return [name, { dtype, shape, data }];
			},
		),
	);
}

/** Row-major elements to canonical bytes. */
export function canonical({ dtype, shape, data }) {
	const size = SIZE[dtype];
	const cols = shape.at(-1) ?? 1;
	const rows = data.length / size / cols;
	const [tileRows, tileCols] = shape.length <= 1 ? [1, 1024 / size] : TILE[dtype];
	const across = Math.ceil(cols / tileCols);
	const down = Math.ceil(rows / tileRows);
	const out = new Uint8Array(across * down * 1024);
	for (let row = 0; row < rows; row++) {
		for (let col = 0; col < cols; col++) {
			const tile = Math.floor(row / tileRows) * across + Math.floor(col / tileCols);
			const inside = (row % tileRows) * tileCols + (col % tileCols);
			const from = (row * cols + col) * size;
			out.set(data.subarray(from, from + size), tile * 1024 + inside * size);
		}
	}
	return out;
}

export const root = (bytes) => u8aToHex(blake3(bytes));

/** Uploads in parts of 512 KiB and returns the root. */
export async function upload(api, bytes) {
	const address = root(bytes);
	for (let offset = 0; offset < bytes.length; offset += 512 * 1024) {
		const part = bytes.subarray(offset, offset + 512 * 1024);
		await api.rpc.blob.put(address, offset, bytes.length, u8aToHex(part));
	}
	return address;
}
