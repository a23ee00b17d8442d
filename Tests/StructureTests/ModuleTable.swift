/// Which module may import which: the arrows of README's module table, pointing down only. What
/// lies further below is imported by name where its members are used. A new target needs a row.
enum ModuleTable {
  /// The modules of this package that each target may import. FlashServer sees the public API and
  /// nothing under it.
  static let imports: [String: Set<String>] = [
    "FlashKernels": ["CFlashKernels", "COpenBLAS"],
    "FlashIO": ["CUring"],
    "FlashText": [],
    "FlashWeights": ["FlashIO", "FlashKernels"],
    "FlashWindow": ["FlashWeights", "FlashIO", "FlashKernels"],
    "FlashModel": ["FlashWindow", "FlashWeights", "FlashIO", "FlashKernels"],
    "FlashProfiler": ["FlashWindow", "FlashWeights", "FlashIO", "FlashKernels"],
    "FlashCalibration": ["FlashModel", "FlashWindow", "FlashWeights", "FlashIO", "FlashKernels"],
    "Flashrun": [
      "FlashText", "FlashModel", "FlashWindow", "FlashWeights", "FlashIO", "FlashKernels",
    ],
    "FlashServer": ["Flashrun"],
    "FlashrunCLI": [
      "FlashServer", "FlashCalibration", "FlashProfiler", "Flashrun", "FlashText", "FlashModel",
      "FlashWindow", "FlashWeights", "FlashIO", "FlashKernels",
    ],
    "CFlashKernels": [], "COpenBLAS": [], "CUring": [],
  ]

  /// The one Swift target that imports each C target.
  static let importerOfC = [
    "CUring": "FlashIO", "COpenBLAS": "FlashKernels", "CFlashKernels": "FlashKernels",
  ]

  /// The targets that know no Foundation: the path of every token.
  static let withoutFoundation: Set<String> = [
    "FlashIO", "FlashKernels", "FlashWindow", "FlashModel",
  ]

  /// The targets under `Flashrun`, in which nothing waits but the worker pool and the read engines.
  static let belowEngine: Set<String> = [
    "FlashIO", "FlashKernels", "FlashText", "FlashWeights", "FlashWindow", "FlashModel",
    "FlashProfiler", "FlashCalibration",
  ]
}
