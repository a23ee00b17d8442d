import Flashrun
import Testing

/// The generators against numbers published elsewhere.
@Suite struct SeededGeneratorTests {
  @Test func splitMix64GivesThePublishedNumbers() {
    var mixer = SplitMix64(state: 1_234_567)
    #expect(
      (0..<5).map { _ in mixer.next() } == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
        4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
      ])
  }

  /// The vector of the rand_xoshiro crate, made with the authors' C program.
  @Test func xoshiroGivesThePublishedNumbers() {
    var generator = SeededGenerator(state: (1, 2, 3, 4))
    #expect(
      (0..<4).map { _ in generator.next() } == [
        11_520, 0, 1_509_978_240, 1_215_971_899_390_074_240,
      ])
  }

  @Test func unitsLieInTheUnitIntervalAndSpreadEvenly() {
    var generator = SeededGenerator(seed: 7)
    var buckets = Array(repeating: 0, count: 10)
    for _ in 0..<10_000 {
      let unit = generator.nextUnit()
      #expect((0..<1).contains(unit))
      buckets[Int(unit * 10)] += 1
    }
    #expect(buckets.allSatisfy { (850...1150).contains($0) })
  }

  @Test func portableExponentialAgreesWithTheCLibrary() {
    for step in 0...7080 {
      let power = -Double(step) / 10
      let expected = cLibraryExponential(power)
      #expect(abs(portableExponential(power) - expected) <= 4e-16 * expected)
    }
    #expect(portableExponential(0) == 1)
    #expect(portableExponential(-.infinity) == 0)
  }
}
