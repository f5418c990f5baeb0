// A training of many steps, cut into segments: every verifier replays one of them. Then somebody
// lies in a single step, where perhaps no verifier looks; whoever runs `assay watch` replays all of
// it.
import assert from "node:assert/strict";
import { join } from "node:path";
import { named } from "../lib/books.mjs";
import { nameOf, watcher } from "../lib/market.mjs";
import { repository } from "../../tests/js/lib/processes.mjs";

const STEPS = 256;
const LENGTH = 16;
const LIE = 130;
const example = (file) => join(repository, "examples/training", file);

export default {
	name: "segments",
	network: "four",
	seconds: 200,
	expected: "a training in 16 segments is paid; a lie in one of them is proved",

	async run({ market, network, dir }) {
		await market.open({ providers: { Eve: network.alice, Ferdie: network.bob } });
		const requester = (...args) => market.assay("Requester", network.alice, ...args);
		const [program, inputs] = [join(dir, "train.program"), join(dir, "train.safetensors")];
		const training = [
			example("mlp.json"),
			"--data",
			example("digits.npz"),
			"--program",
			program,
			"--inputs",
			inputs,
		];
		const here = await requester("model", "train", ...training);
		await requester("program", "register", program);
		market.from = await market.height();
		const cut = ["--steps", `${STEPS}`, "--segment-steps", `${LENGTH}`, "--audit", "100"];
		const post = async () =>
			(
				await requester(
					"job",
					"post",
					"--program",
					program,
					"--weights",
					inputs,
					...cut,
					"--price-max",
					"100",
				)
			).job;

		const honest = market.provide("Ferdie", network.bob);
		const right = await post();
		const [view] = await market.ended([right], "Paid", 240);
		assert.equal(
			`${view.runRoot.unwrap()}`,
			here.runRoot,
			"the provider has the root of the training on this machine",
		);
		const drawn = view.verdicts.filter(({ purpose }) => purpose.isVerify);
		assert.ok(drawn.length >= 3, `${drawn.length} verdicts`);
		for (const { account, segment, matches } of drawn) {
			assert.ok(
				segment.isSome && segment.unwrap().toNumber() < STEPS / LENGTH,
				`${nameOf(account)} has a segment`,
			);
			assert.ok(matches.isSome && matches.unwrap().isTrue, `${nameOf(account)} agrees`);
		}
		await honest.stop();

		const watch = market.watch(network.bob);
		await watch.line(/"event":"watching"/, 60);
		const liar = market.lie("Eve", network.alice, "--step", `${LIE}`);
		const wrong = await post();
		await liar.line(new RegExp(`^claimed ${wrong}$`), 90);
		await market.ended([wrong], "ProvenFraud", 300);
		const looked = (await market.view(wrong)).verdicts.filter(
			({ segment }) =>
				segment.isSome && segment.unwrap().toNumber() === Math.floor(LIE / LENGTH),
		);

		const { blocks } = await market.books();
		const condemned = named(blocks, "jobs", "ResultCondemned").filter(({ data }) =>
			data.job.eq(wrong),
		);
		assert.equal(condemned.length, 1, "the lie fell once");
		assert.equal(
			named(blocks, "offences", "Offence").length,
			0,
			"nobody vouched for the segment that holds the lie",
		);
		const segments = drawn
			.map(({ segment }) => segment.unwrap().toNumber())
			.sort((a, b) => a - b);
		const by =
			`${condemned[0].data.by}` === watcher.address
				? "assay watch"
				: nameOf(condemned[0].data.by);
		const found =
			looked.length > 0
				? `${looked.length} verifiers had drawn its segment`
				: "no verifier had drawn its segment";
		return {
			happened:
				`segments ${segments.join(", ")} replayed, paid; ` +
				`the lie proved by ${by}, ${found}`,
			blocks: blocks.length,
		};
	},
};
