// What a wallet learns from the metadata: every call encodes and shows its fee, every error has a
// name and a text.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { account, connect, errorName } from "./lib/chain.mjs";

const PALLETS = ["identity", "stake", "programs", "jobs", "arbitration", "decoys"];
let api;
before(async () => (api = await connect()));
after(() => api?.disconnect());

test("every call of our pallets should encode and show its fee", { timeout: 120_000 }, async () => {
	let calls = 0;
	for (const pallet of PALLETS) {
		for (const [name, call] of Object.entries(api.tx[pallet])) {
			for (const argument of call.meta.args) {
				assert.notEqual(
					argument.name.toString(),
					"",
					`${pallet}.${name}: every argument has a name`,
				);
			}
			const values = call.meta.args.map(({ type }) => api.createType(type.toString()));
			const { partialFee, weight } = await call(...values).paymentInfo(account("//Eve"));
			assert.ok(weight.refTime.toBigInt() > 0n, `${pallet}.${name} has a weight`);
			// Everything that an account signs costs, verifiers' calls too: only a session key
			// makes them free.
			assert.ok(partialFee.toBigInt() > 0n, `fee of ${pallet}.${name}`);
			assert.ok(call.meta.docs.length > 0, `${pallet}.${name} is documented`);
			calls++;
		}
	}
	assert.ok(calls >= 20, `${calls} calls`);
});

test("every error of our pallets should decode by name and say why", () => {
	let errors = 0;
	for (const pallet of PALLETS) {
		assert.ok(api.errors[pallet], `${pallet} has errors`);
		for (const [name, error] of Object.entries(api.errors[pallet])) {
			const { index, fields, docs } = error.meta;
			const module =
				api.consts.system &&
				api.runtimeMetadata.asLatest.pallets.find(
					(p) => p.name.toString().toLowerCase() === pallet,
				);
			const raw = api.createType("SpRuntimeDispatchError", {
				Module: { index: module.index, error: [index.toNumber(), 0, 0, 0] },
			});
			assert.equal(errorName(api, raw), `${pallet}.${name}`);
			assert.equal(fields.length, 0);
			assert.ok(docs.join(" ").length > 10, `${pallet}.${name} says why`);
			errors++;
		}
	}
	assert.ok(errors >= 30, `${errors} errors`);
});
