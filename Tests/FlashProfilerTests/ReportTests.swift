import Testing

@testable import FlashProfiler

struct ReportTests {
  @Test(arguments: [
    (948.4, "948"), (38.24, "38.2"), (3.1, "3.1"), (0.13, "0.13"), (0.004, "0"), (-0.004, "0"),
    (99.97, "100"), (9.996, "10"), (-12.34, "-12.3"), (0, "0"),
  ])
  func numbersHaveThreeDigits(value: Double, text: String) {
    #expect(Quantity.number(value) == text)
  }

  @Test func quantitiesTakeTheUnitThatKeepsThemShort() {
    #expect(Quantity.bytes(512) == "512 B")
    #expect(Quantity.bytes(4608) == "4.5 KiB")
    #expect(Quantity.bytes(16 << 20) == "16 MiB")
    #expect(Quantity.duration(nanoseconds: 85_300) == "85.3 µs")
    #expect(Quantity.duration(nanoseconds: 999_999) == "1 ms")
    #expect(Quantity.duration(nanoseconds: 2.5e9) == "2.5 s")
    #expect(Quantity.bandwidth(999.6e6) == "1 GB/s")
    #expect(Quantity.bandwidth(421e6) == "421 MB/s")
    #expect(Quantity.count(96_400) == "96.4 k")
    #expect(Quantity.percent(0.612) == "61.2 %")
  }

  @Test func logarithmicAxesEndAtPowers() {
    let axis = ChartAxis("size", scale: .logarithmic(base: 2)).fitted(to: [4096, 1_048_576])
    #expect(axis.low == 4096 && axis.high == 1_048_576)
    #expect(axis.ticks == [4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1_048_576])
    #expect(axis.position(65536) == 0.5)
    #expect(axis.position(1) == 0 && axis.position(-1) == 0)
    let wide = ChartAxis("ns", scale: .logarithmic(base: 10)).fitted(to: [70, 90_000])
    #expect(wide.ticks == [10, 100, 1000, 10_000, 100_000])
    let given = ChartAxis("ns", scale: .logarithmic(base: 10), range: 50...2000).fitted(to: [])
    #expect(given.ticks == [100, 1000])
  }

  @Test func linearAxesBeginAtZeroAndEndAtATick() {
    let axis = ChartAxis("MB/s").fitted(to: [120, 1830])
    #expect(axis.low == 0 && axis.high == 2000)
    #expect(axis.ticks == [0, 500, 1000, 1500, 2000])
    let empty = ChartAxis("none").fitted(to: [])
    #expect(empty.high > empty.low && !empty.ticks.isEmpty)
    let flat = ChartAxis("log", scale: .logarithmic(base: 10)).fitted(to: [100, 100])
    #expect(flat.high > flat.low)
  }

  @Test func heatGoesFromNothingToOne() {
    #expect(HeatMap.heat(10, in: 10...1000, isLogarithmic: true) == 0)
    #expect(abs(HeatMap.heat(100, in: 10...1000, isLogarithmic: true) - 0.5) < 1e-9)
    #expect(HeatMap.heat(1000, in: 10...1000, isLogarithmic: false) == 1)
    #expect(HeatMap.heat(5, in: 5...5, isLogarithmic: true) == 0)
  }

  /// What comes from outside (paths, names of models) never becomes a tag.
  @Test func pagesEscapeTextAndNameNothingOutside() {
    let evil = "<script src=\"http://a\">&'"
    let axis = ChartAxis(evil) { _ in evil }
    let page = ReportPage(
      title: evil, subtitle: evil, highlights: [(evil, evil)],
      sections: [
        ReportSection(
          evil, summary: evil,
          parts: [
            ReportText([evil]), ReportText([evil, evil]),
            ReportTable(evil, header: [evil, evil], rows: [[evil, evil]], textColumns: [1]),
            HeatMap(
              evil, corner: evil, columns: [evil, "b"], rows: [evil], values: [[1, nil]],
              label: { _ in evil }),
            LineChart(
              evil, x: axis, y: axis, series: [.init(evil, points: [(1, 1), (2, .nan)])],
              marks: [ChartMark(evil, at: .x(1)), ChartMark(evil, at: .y(2))]),
            BarStrip(evil, x: axis, y: axis, layers: [evil], bars: [[1], [0]]),
            ShareBar(evil, parts: [(evil, 1), (evil, 3)], label: { _ in evil }),
          ])
      ]
    ).html
    #expect(!page.contains("<script"))
    #expect(!page.contains("nan"))
    #expect(page.ranges(of: "http").count == page.ranges(of: "src=&quot;http://a&quot;").count)
    for tag in ["figure", "svg", "section", "table", "div"] {
      #expect(
        page.ranges(of: "<\(tag)[ >]".regex).count == page.ranges(of: "</\(tag)>").count, "\(tag)")
    }
  }

  @Test func manyBarsAreJoinedAndShowTheHighest() {
    var bars = Array(repeating: [1.0], count: 5000)
    bars[1234] = [50]
    let strip = BarStrip(
      "tokens", x: ChartAxis("token"), y: ChartAxis("ms"), layers: ["time"], bars: bars)
    let html = strip.html
    #expect(html.ranges(of: "<rect").count <= 400)
    #expect(html.contains("time 50"))
  }
}

extension String {
  fileprivate var regex: Regex<AnyRegexOutput> {
    do { return try Regex(self) } catch { preconditionFailure("a test's expression is valid") }
  }
}
