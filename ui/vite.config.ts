import { defineConfig } from "vite";

export default defineConfig({
  build: {
    outDir: "../src/muster/ui/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  experimental: {
    // index.html names its files below the path that the agent puts in; scripts find each other from where they are.
    renderBuiltUrl: (file, { hostType }) => (hostType === "html" ? `{{.ContentPath}}${file}` : { relative: true }),
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
} as Parameters<typeof defineConfig>[0]);
