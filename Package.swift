// swift-tools-version: 6.2
import PackageDescription

/// The settings of every Swift target: the strictest the compiler offers, so that an unsafe line,
/// a leaked import or a warning stops the build instead of a review.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableExperimentalFeature("Lifetimes"),
]

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let histogram = Target.Dependency.product(name: "Histogram", package: "hdrhistogram-swift")

/// One Swift target of ours; an arrow goes only down (README, "The modules").
func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

let package = Package(
  name: "flashrun",
  products: [
    .executable(name: "flashrun", targets: ["FlashrunCLI"]),
    .library(name: "Flashrun", targets: ["Flashrun"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", exact: "0.2.0"),
  ],
  targets: [
    .systemLibrary(name: "CUring", providers: [.apt(["liburing-dev"])]),
    .systemLibrary(name: "COpenBLAS", providers: [.apt(["libopenblas-dev"])]),
    // emulation/ is a program of its own, which scripts/check-neon builds.
    .target(name: "CFlashKernels", exclude: ["emulation"]),
    module("FlashKernels", ["CFlashKernels", "COpenBLAS"]),
    module("FlashIO", ["CUring"]),
    module("FlashText", []),
    module("FlashWeights", ["FlashIO", "FlashKernels", crypto]),
    module("FlashWindow", ["FlashWeights", "FlashIO"]),
    module("FlashModel", ["FlashWindow", "FlashWeights", "FlashIO", "FlashKernels"]),
    module(
      "FlashProfiler", ["FlashWindow", "FlashWeights", "FlashIO", "FlashKernels", histogram]),
    module(
      "FlashCalibration",
      ["FlashModel", "FlashWindow", "FlashWeights", "FlashIO", "FlashKernels", crypto]),
    module(
      "Flashrun",
      ["FlashText", "FlashModel", "FlashWindow", "FlashWeights", "FlashIO", "FlashKernels"]),
    .executableTarget(
      name: "FlashrunCLI",
      dependencies: [
        "Flashrun", "FlashCalibration", "FlashProfiler", "FlashText", "FlashModel", "FlashWindow",
        "FlashWeights", "FlashIO", "FlashKernels", argumentParser,
      ],
      resources: [.copy("Resources/novels-13m")],
      swiftSettings: strict),
    .target(
      name: "FlashTestSupport",
      dependencies: ["FlashModel", "FlashWindow", "FlashWeights", "FlashIO", "FlashKernels"],
      path: "Tests/FlashTestSupport", exclude: ["Fixtures"], swiftSettings: strict),
    tests("FlashKernelsTests", ["FlashKernels"]),
    tests("FlashIOTests", ["FlashIO", "FlashTestSupport"]),
    .testTarget(
      name: "FlashTextTests", dependencies: ["FlashText"],
      exclude: ["reference-goldens.json"], swiftSettings: strict),
    tests("FlashWeightsTests", ["FlashWeights", "FlashIO", "FlashKernels", "FlashTestSupport"]),
    tests(
      "FlashWindowTests",
      ["FlashWindow", "FlashWeights", "FlashIO", "FlashKernels", "FlashTestSupport"]),
    tests(
      "FlashModelTests",
      ["FlashModel", "FlashWindow", "FlashWeights", "FlashIO", "FlashKernels", "FlashTestSupport"]),
    tests(
      "FlashCalibrationTests",
      [
        "FlashCalibration", "FlashModel", "FlashWindow", "FlashWeights", "FlashIO",
        "FlashKernels", "FlashTestSupport",
      ]),
    tests(
      "FlashProfilerTests",
      [
        "FlashProfiler", "FlashWindow", "FlashWeights", "FlashIO", "FlashKernels",
        "FlashTestSupport",
      ]),
    tests(
      "FlashrunTests",
      ["Flashrun", "FlashText", "FlashWeights", "FlashKernels", "FlashTestSupport"]),
    tests(
      "FlashrunCLITests",
      [
        "FlashrunCLI", "FlashProfiler", "FlashWeights", "FlashIO", "FlashKernels",
        "FlashTestSupport",
      ]),
    tests("StructureTests", []),
  ]
)
