// Every file of src/pages is an entry; what several share becomes a chunk of its own. The service embeds the result and
// reads from the manifest which files a page needs: see ../build.rs.
import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const pages = new URL("src/pages/", import.meta.url);
const files = readdirSync(pages).filter((name) => name.endsWith(".ts"));

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  // Where the service serves the files.
  base: "/static/",
  // Its one file keeps the folder dist, with nothing else, in the history.
  publicDir: "public",
  logLevel: "warn",
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    assetsDir: "",
    manifest: true,
    sourcemap: false,
    minify: "esbuild",
    // Nothing becomes a data: address, which the policy of the pages refuses for fonts and scripts.
    assetsInlineLimit: 0,
    // The pages name what is to be fetched early; every browser that has es2022 knows the word.
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: Object.fromEntries(files.map((name) => [basename(name, ".ts"), fileURLToPath(new URL(name, pages))])),
      output: {
        entryFileNames: "[name]-[hash].js",
        chunkFileNames: "[name]-[hash].js",
        assetFileNames: "[name]-[hash][extname]",
      },
    },
  },
});
