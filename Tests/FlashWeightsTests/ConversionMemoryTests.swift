import FlashKernels
import FlashTestSupport
import Foundation
import Testing

@testable import FlashWeights

/// The converter's memory, measured in a process of its own.
struct ConversionMemoryTests {
  private static let isWanted = ProcessInfo.processInfo.environment["FLASHRUN_LARGE_TESTS"] != nil

  /// Writes and converts two gigabytes: some seconds in a release build, minutes in a debug build.
  @Test(
    .enabled(if: isWanted, "set FLASHRUN_LARGE_TESTS to convert two gigabytes"),
    arguments: [RowFormat.q4_0, .bf16])
  func twoGigabytesConvertUnder400MB(format: RowFormat) async throws {
    let folder = ScratchFolder()
    try TinyModel.twoGigabytes.write(to: folder / "model")
    await #expect(processExitsWith: .success) {
      [path = folder.path as String, name = format.rawValue as String] in
      let converter = try Converter(
        source: path + "/model", target: path + "/s.flash",
        options: ConversionOptions(
          formats: StoreFormats(try #require(RowFormat(rawValue: name))), threadCount: 2))
      #expect(converter.sourceByteCount > 1_900_000_000)
      _ = try converter.run()
      let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
      let peak = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM") })
      let kilobytes = try #require(Int(peak.filter(\.isNumber)))
      print("peak of converting two gigabytes to \(name): \(kilobytes) kB")
      #expect(kilobytes < 400_000)
    }
    #expect(try WeightStore.open(folder / "s.flash").verify() == [])
  }
}
