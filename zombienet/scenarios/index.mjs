// All scenarios, in the order in which they run.
import cheat from "./cheat.mjs";
import collusion from "./collusion.mjs";
import gate from "./gate.mjs";
import partition from "./partition.mjs";
import restarts from "./restarts.mjs";
import segments from "./segments.mjs";
import settle from "./settle.mjs";
import verifiers from "./verifiers.mjs";
import withheld from "./withheld.mjs";
import workers from "./workers.mjs";

export const scenarios = [
	settle,
	cheat,
	segments,
	verifiers,
	workers,
	restarts,
	partition,
	collusion,
	withheld,
	gate,
];
