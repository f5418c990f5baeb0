// What a load test says at its end.
const quantile = (values, q) => {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted.length
		? sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]
		: undefined;
};
const spread = (values) => ({
	median: quantile(values, 0.5),
	p95: quantile(values, 0.95),
	most: quantile(values, 1),
});
const mean = (values) => values.reduce((sum, one) => sum + one, 0) / values.length;

export function summary({ samples, fleet, closed, minutes, audit, inflight, providers }) {
	const loaded = samples.filter(({ posting }) => posting);
	const seconds = (samples.at(-1).time - samples[0].time) / 1000;
	const times = new Map(samples.map(({ block, time }) => [block, time]));
	const settled = fleet.ended.filter(({ reason }) => reason === "Paid");
	const within = loaded.length > 1 ? (loaded.at(-1).time - loaded[0].time) / 60_000 : minutes;
	const last = loaded.at(-1).block;
	const took = (from) =>
		spread(
			settled
				.filter((job) => times.has(job[from]))
				.map((job) => (times.get(job.at) - times.get(job[from])) / 1000),
		);
	return {
		minutes,
		audit: audit / 10_000,
		inflight,
		providers,
		seconds,
		jobs: fleet.ended.length,
		paid: settled.length,
		audited: fleet.ended.filter(({ audited }) => audited).length,
		unexpected: fleet.ended
			.filter(({ reason }) => reason !== "Paid")
			.map(({ id, reason }) => ({ id, reason })),
		perMinute: settled.filter(({ at }) => at <= last).length / within,
		blockSeconds: spread(
			samples.slice(1).map(({ time }, at) => (time - samples[at].time) / 1000),
		),
		fullness: {
			mean: mean(loaded.map(({ fullness }) => fullness)),
			...spread(loaded.map(({ fullness }) => fullness)),
		},
		extrinsics: spread(loaded.map(({ extrinsics }) => extrinsics)),
		settlement: took("revealed"),
		life: took("posted"),
		node: {
			first: samples[0].node,
			...spread(samples.map(({ node }) => node)),
			last: samples.at(-1).node,
		},
		worker: spread(samples.map(({ worker }) => worker)),
		late: loaded.filter(({ late }) => late).length,
		refused: Object.fromEntries(fleet.refused),
		blocks: closed.blocks,
		escrow: `${closed.escrow}`,
	};
}

export function markdown(result) {
	const percent = (share) => `${(100 * share).toFixed(1)} %`;
	const of = ({ median, p95, most }, unit) =>
		median === undefined
			? "–"
			: `${median.toFixed(1)} / ${p95.toFixed(1)} / ${most.toFixed(1)} ${unit}`;
	const rows = [
		[
			"jobs ended, of them paid, of them audited",
			`${result.jobs}, ${result.paid}, ${result.audited}`,
		],
		["jobs settled a minute while posting", result.perMinute.toFixed(1)],
		["reveal to settlement, median / p95 / most", of(result.settlement, "s")],
		["post to settlement, median / p95 / most", of(result.life, "s")],
		[
			"block fullness by weight, mean, median / p95 / most",
			`${percent(result.fullness.mean)}, ${percent(result.fullness.median)} / ` +
				`${percent(result.fullness.p95)} / ${percent(result.fullness.most)}`,
		],
		["transactions a block, median / p95 / most", of(result.extrinsics, "")],
		["time between blocks, median / p95 / most", of(result.blockSeconds, "s")],
		[
			"memory of the node, first, median / most, last",
			`${result.node.first}, ` +
				`${result.node.median} / ${result.node.most}, ${result.node.last} MiB`,
		],
		["memory of workers, median / most", `${result.worker.median} / ${result.worker.most} MiB`],
		[
			"escrow held and left in full, to the unit",
			`${result.escrow} units of ${result.jobs} jobs`,
		],
		["blocks after which this script was too late to post", `${result.late}`],
		[
			"refused transactions",
			Object.entries(result.refused)
				.map(([name, count]) => `${name} ×${count}`)
				.join(", ") || "none",
		],
	];
	return [
		`${result.minutes} min, at most ${result.inflight} jobs under way, ` +
			`${result.providers} providers, audit ${result.audit} %`,
		"",
		"| figure | value |",
		"|---|---|",
		...rows.map(([name, value]) => `| ${name} | ${value} |`),
	].join("\n");
}
