// The honest network: everything is paid, everybody agrees, and finality follows.
import assert from "node:assert/strict";
import { named } from "../lib/books.mjs";

const JOBS = 4;
/**
 * Verdicts that an audit wants. Of four candidates all may take part: a lottery of so few leaves
 * nobody out.
 */
const COMMITTEE = 3;

export default {
	name: "settle",
	network: "four",
	seconds: 130,
	expected: `${JOBS} jobs paid, all verdicts agree`,

	async run({ market, network }) {
		await market.open({ providers: { Eve: network.alice, Ferdie: network.bob } });
		market.provide("Eve", network.alice);
		market.provide("Ferdie", network.bob);
		const jobs = await market.post(JOBS);
		await market.ended(jobs, "Paid", 240);
		for (const job of jobs) {
			const verdicts = Object.values(await market.verdicts(job));
			assert.ok(verdicts.length >= COMMITTEE, `job ${job}: ${verdicts.length} verdicts`);
			assert.ok(
				verdicts.every(({ matches }) => matches),
				`job ${job}: all have the provider's root`,
			);
		}
		const { blocks, ends } = await market.books();
		assert.equal(ends.size, JOBS);
		const hashes = await Promise.all(
			network.nodes.map(
				async (node) =>
					`${await (await node.api()).rpc.chain.getBlockHash(blocks.at(-1).number)}`,
			),
		);
		assert.equal(new Set(hashes).size, 1, "all nodes finalized the same block");
		const authors = new Set(blocks.map(({ author }) => author));
		assert.equal(authors.size, network.nodes.length, "every validator authored");
		const claims = new Set(
			named(blocks, "jobs", "JobClaimed").map(({ data }) => `${data.provider}`),
		);
		return {
			happened: `${JOBS} jobs paid by ${claims.size} providers, all verdicts equal`,
			blocks: blocks.length,
		};
	},
};
