{
  "targets": [
    {
      "target_name": "tilewright",
      "sources": ["addon.c"],
      "defines": ["TILEWRIGHT_SOURCE_HASH=\"<!(node source-hash.mjs)\""],
      "cflags": ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
      "ldflags": ["-Wl,--as-needed"]
    }
  ]
}
