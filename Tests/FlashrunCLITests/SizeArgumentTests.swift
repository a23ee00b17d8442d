import FlashrunCLI
import Testing

/// Sizes in all spellings, and what is refused with which hint.
@Suite struct SizeArgumentTests {
  @Test func everySpellingIsRead() throws {
    let cases: [(String, SizeArgument)] = [
      ("2G", .bytes(2 << 30)), ("2g", .bytes(2 << 30)), ("2GiB", .bytes(2 << 30)),
      ("2GB", .bytes(2 << 30)), ("2gb", .bytes(2 << 30)), ("2048M", .bytes(2 << 30)),
      ("2048MiB", .bytes(2 << 30)), ("1.5g", .bytes(3 << 29)), ("0.5G", .bytes(1 << 29)),
      ("512K", .bytes(512 << 10)), ("1T", .bytes(1 << 40)), ("4096", .bytes(4096)),
      ("2147483648", .bytes(2 << 30)), ("100B", .bytes(100)), ("2 GiB", .bytes(2 << 30)),
      ("50%", .percent(50)), ("12.5%", .percent(12.5)), ("150%", .percent(150)),
      ("auto", .automatic), ("AUTO", .automatic),
    ]
    for (text, expected) in cases { #expect(try SizeArgument(parsing: text) == expected) }
  }

  @Test(arguments: [
    "", "G", "two", "-2G", "2X", "2GiBs", "2Gi", "1..5G", "1.", "1.5", "0%", "%", "2 G x",
    "9999999999999T", "99999999999999999999", "nan", "inf", "0x10G", "1e3G", "٣G",
  ])
  func whatIsNoSizeIsRefused(text: String) {
    let error = #expect(throws: Failure.self) { try SizeArgument(parsing: text) }
    #expect(error?.status == .usage)
  }

  @Test func aBareSmallNumberIsRefusedWithAHint() {
    for text in ["2", "0", "4095"] {
      let error = #expect(throws: Failure.self) { try SizeArgument(parsing: text) }
      #expect(error?.message.contains("did you mean '\(text)G'?") == true)
    }
  }
}
