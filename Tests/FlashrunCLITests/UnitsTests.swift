import FlashrunCLI
import Testing

/// Numbers for people, and the line of a progress report.
@Suite struct UnitsTests {
  @Test func threeDigitsKeepThreeAtEveryBorder() {
    let cases: [(Double, String)] = [
      (0, "0.00"), (0.125, "0.13"), (0.999, "1.00"), (1.87, "1.87"), (9.994, "9.99"),
      (9.995, "10.0"), (38.2, "38.2"), (99.94, "99.9"), (99.95, "100"), (947.4, "947"),
      (12345, "12345"), (-3.14159, "-3.14"), (-0.001, "0.00"), (.nan, "nan"), (.infinity, "inf"),
    ]
    for (value, text) in cases { #expect(Units.threeDigits(value) == text) }
  }

  @Test func bytesTakeTheLargestUnitThatFits() {
    let cases: [(Int, String)] = [
      (0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (1536, "1.50 KiB"),
      (1 << 20, "1.00 MiB"), (305 << 20, "305 MiB"), (2 << 30, "2.00 GiB"),
      (5000 << 30, "5000 GiB"),
    ]
    for (count, text) in cases { #expect(Units.bytes(count) == text) }
  }

  @Test func durationsReadAsPeopleSayThem() {
    let cases: [(Double, String)] = [
      (0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"),
      (7500, "2 h 05 min"), (.infinity, "unknown"),
    ]
    for (seconds, text) in cases { #expect(Units.duration(seconds: seconds) == text) }
  }

  @Test func progressTellsRateAndTimeLeft() {
    #expect(
      ProgressReporter.text(
        label: "convert", unit: .bytes, done: 1 << 30, total: 3 << 30, rate: 0x1p29)
        == "convert: 1.00 GiB of 3.00 GiB (33%), 512 MiB/s, 4 s left")
    #expect(
      ProgressReporter.text(
        label: "prompt", unit: .items("tok"), done: 0, total: 10, rate: nil)
        == "prompt: 0 tok of 10 tok (0%)")
    #expect(
      ProgressReporter.text(
        label: "x", unit: .items("tok"), done: 0, total: 0, rate: nil) == "x: 0 tok of 0 tok")
  }
}
