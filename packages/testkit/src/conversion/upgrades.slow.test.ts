import { upgradeSuite } from "./upgrade-suite.ts";

upgradeSuite({ draws: 40, seed: 1000 });
