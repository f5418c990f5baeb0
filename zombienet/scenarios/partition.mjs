// The network is cut in two halves that both go on authoring, while committees are drawn: two
// chains with two draws. When it is joined again one of them wins, finality returns, and the jobs
// settle with right books.
//
// Nodes talk to reserved peers alone, and cutting takes the reservations across the cut away.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Seconds that the halves are apart: long enough for draws on both sides, short enough that
 * deadlines hold.
 */
const APART = 24;

const unsafe = async (node, method, ...params) => {
	const response = await fetch(node.url.replace(/^ws/, "http"), {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
		signal: AbortSignal.timeout(10_000),
	});
	const { error } = await response.json();
	if (error) throw new Error(`${node.name}: ${method}: ${error.message}`);
};

/** Every ordered pair of nodes of two sets. */
const pairs = (ours, theirs) =>
	ours.flatMap((one) => theirs.filter((other) => other !== one).map((other) => [one, other]));
const join = (ours, theirs) =>
	Promise.all(
		pairs(ours, theirs).map(([one, other]) =>
			unsafe(one, "system_addReservedPeer", other.multiaddr),
		),
	);
const cut = (ours, theirs) =>
	Promise.all(
		[...pairs(ours, theirs), ...pairs(theirs, ours)].map(([one, other]) =>
			unsafe(one, "system_removeReservedPeer", other.multiaddr.split("/p2p/")[1]),
		),
	);

export default {
	name: "partition",
	network: "partition",
	seconds: 210,
	expected: "two halves fork while a committee is drawn; one chain wins, jobs paid",

	async run({ market, network, say }) {
		const { nodes } = network;
		await join(nodes, nodes);
		await network.finalized(2, 90);
		say("all four are joined and finalize");
		await market.open({ providers: { Eve: network.alice } });
		market.provide("Eve", network.alice);
		const [job] = await market.post();
		// Committed: the result is bound, and the blocks that decide the draw come now.
		await market.phase(job, "Committed", 200);
		const halves = [nodes.slice(0, 2), nodes.slice(2)];
		await cut(...halves);
		const at = await market.height();
		say(`cut at block ${at}: alice and bob, charlie and dave`);
		await sleep(APART * 1000);
		const heads = await Promise.all(
			nodes.map(async (node) => (await node.api()).rpc.chain.getHeader()),
		);
		const [ours, theirs] = [heads[0], heads[2]].map(({ number }) => number.toNumber());
		assert.ok(Math.min(ours, theirs) > at, `both halves made blocks: ${ours}, ${theirs}`);
		const height = Math.min(ours, theirs);
		const hashes = await Promise.all(
			[nodes[0], nodes[2]].map(
				async (node) => `${await (await node.api()).rpc.chain.getBlockHash(height)}`,
			),
		);
		assert.notEqual(hashes[0], hashes[1], `the halves have different blocks ${height}`);
		const finalized = Math.max(...(await Promise.all(nodes.map((node) => node.finalized()))));
		assert.ok(
			finalized <= at + 2,
			`two of four finalize nothing, but block ${finalized} is final, cut at ${at}`,
		);
		say(`two chains: blocks ${ours} and ${theirs}, finality stays at ${finalized}`);
		await join(...halves);
		await join(halves[1], halves[0]);
		await network.finalized(Math.max(ours, theirs) + 2, 120);
		say("joined again, and final everywhere");
		const [second] = await market.post();
		await market.ended([job, second], "Paid", 360);
		const blocks = await market.blocks(90);
		const { ends } = await market.books(blocks);
		assert.equal(ends.size, 2);
		return {
			happened:
				`forks of ${ours - at} and ${theirs - at} blocks; ` +
				`one won, ${ends.size} jobs paid`,
			blocks: blocks.length,
		};
	},
};
