import Testing

struct CodeMaskTests {
  @Test(arguments: [
    ("let a = 1 // {", "let a = 1     "),
    ("/* { /* } */ { */b", "                 b"),
    (#"f("{\"}")g"#, #"f(      )g"#),
    (#"f("a\(b + "{")c")g"#, #"f(    b +       )g"#),
    (##"f(#"{"\("#)g"##, ##"f(        )g"##),
    (##"f(#"\#(x)"#)"##, ##"f(     x   )"##),
    ("\"\"\"\n{ \"q\"\n\"\"\"}", "   \n     \n   }"),
    ("é/*é*/é", "é      é"),
  ])
  func swiftCommentsAndStringsAreBlanked(text: String, expected: String) {
    #expect(maskingCommentsAndStrings(of: text, as: .swift) == expected)
  }

  @Test(arguments: [
    ("'\"'{'\\''}", "   {    }"),
    ("/* /* */x", "        x"),
    ("\"#\"#", "   #"),
  ])
  func cCommentsAndLiteralsAreBlanked(text: String, expected: String) {
    #expect(maskingCommentsAndStrings(of: text, as: .c) == expected)
  }
}
