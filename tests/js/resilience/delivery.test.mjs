// A result is paid when it is delivered: a provider that computes rightly and hands nothing over
// gets nothing, and neither does its requester lose anything but the part that is burned.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { account, event, send, UNIT } from "../lib/chain.mjs";
import { images, programHex, programId, uploadInputs } from "../lib/digits.mjs";
import { upload } from "../lib/tensors.mjs";
import { onMarket } from "./market.mjs";
import { Relay } from "./relay.mjs";

/** Seconds within which a job comes to its next phase, and to its end, on a busy machine. */
const STEP = 120;
const END = 420;

/**
 * One audit in a thousand results: one that the only validator wins, and abstains from, has nothing
 * to do with delivery. Much less would ask for a larger bond than the provider has.
 */
const SELDOM = 1_000;
const assurance = { audit: { Custom: SELDOM }, attestation: "Required" };

/** The events of one pallet and name. */
const named = (blocks, section, method) =>
	blocks
		.flatMap(({ events }) => events)
		.filter((e) => e.section === section && e.method === method);

describe("delivery", () => {
	// The validator keeps what it is drawn to keep, and has no worker: it never gets outputs by its
	// own replay.
	const keeps = { nodeArgs: ["--worker-path", "/nonexistent/assay-worker"], seconds: 900 };
	onMarket(
		"delivery",
		keeps,
		"provider should be paid only when its outputs can be had",
		async (market) => {
			const { api } = market;
			await market.set((parameters) => (parameters.auditFloor = SELDOM));
			await send(api, account("//Dave"), api.tx.programs.registerProgram(programHex));
			const roots = await uploadInputs(api);
			const post = async (first) => {
				const job = api.tx.jobs.postJob(
					programId,
					[first, ...roots.slice(1)],
					1,
					5n * UNIT,
					10n * UNIT,
					10,
					assurance,
				);
				return event(
					await send(api, account("//Dave"), job),
					"jobs",
					"JobPosted",
				).data.job.toNumber();
			};

			// Other images give other outputs, which nobody has computed before.
			const relay = await Relay.to(market.url);
			try {
				const job = await post(
					await upload(
						api,
						images((byte) => byte >> 1),
					),
				);
				market.startProvider({ url: relay.url });
				await market.provider.line(new RegExp(`job ${job}: revealed$`), END);
				assert.ok(relay.withheld.size > 0, "its outputs were kept back");
				const view = await market.view(job);
				assert.ok(
					view.outputRoots.length > 0 &&
						view.outputRoots.every((root) => relay.withheld.has(root.toHex())),
				);
				const ended = await market.ended(job, "Undelivered", END);
				assert.ok(ended.runRoot.isSome, "the result itself was right and shown");
				for (const root of ended.outputRoots)
					assert.ok(!(await api.rpc.blob.status(root)).toJSON().present);
				await market.provider.stop();

				const delivered = await post(roots[0]);
				market.startProvider();
				const paid = await market.ended(delivered, "Paid", END);
				for (const root of paid.outputRoots)
					assert.ok((await api.rpc.blob.status(root)).toJSON().present);

				const { blocks, ends } = await market.books();
				const [nothing, all] = [ends.get(job), ends.get(delivered)];
				const { price } = ended;
				const fee = price.unwrap().toBigInt() / 10n;
				assert.ok(nothing.burned >= fee, "a tenth of the price is burned of the escrow");
				const slashed = named(blocks, "stake", "JobSlashed").filter(({ data }) =>
					data.job.eq(job),
				);
				assert.deepEqual(
					slashed.map(({ data }) => [data.burned.toBigInt(), data.paid.toBigInt()]),
					[[fee, 0n]],
					"and as much of the bond",
				);
				assert.equal(nothing.earned, 0n, "the provider gets nothing");
				const agreed = paid.price.unwrap().toBigInt();
				assert.equal(
					all.earned,
					agreed - (agreed + 19n) / 20n,
					"an honest one gets its price less the burned twentieth",
				);
				assert.equal(
					named(blocks, "jobs", "KeepersDismissed").length,
					1,
					"others were asked, once",
				);
				assert.ok(
					named(blocks, "jobs", "OutputsAttested").some(
						({ data }) => data.job.eq(delivered) && data.ok.isTrue,
					),
				);
			} finally {
				await relay.stop();
			}
		},
	);
});
