import { upgradeSuite } from "./upgrade-suite.ts";

upgradeSuite({ draws: 2, seed: 1 });
