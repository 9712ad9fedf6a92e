import { defineConfig } from "vitest/config";

const shared = {
  environment: "node" as const,
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

export default defineConfig({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"], externalConditions: ["node"] } },
  test: {
    // The default is one core less, which on two cores would run one file at a time.
    maxWorkers: "100%",
    projects: [
      {
        extends: true,
        test: {
          ...shared,
          name: "fast",
          include: ["packages/*/src/**/*.test.ts", "scripts/**/*.test.ts"],
          exclude: ["**/*.slow.test.ts"],
        },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: "slow",
          include: ["packages/*/src/**/*.slow.test.ts"],
          testTimeout: 900_000,
          hookTimeout: 900_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
