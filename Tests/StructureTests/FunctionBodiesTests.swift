import Testing

struct FunctionBodiesTests {
  private func bodies(_ path: String, _ text: String) -> [FunctionBody] {
    functionBodies(in: SourceFile(path: path, text: text))
  }

  @Test func swiftFunctionsAreFoundWithTheirLines() {
    let text = """
      struct A {
        let list = [1].map { $0 }
        var count: Int {
          1
        }
        init(
          a: () -> Void = {}
        ) {
          self.init(a) { }
        }
        func outer() {
          func inner() {}
          "{"  // {
        }
      }
      """
    #expect(
      bodies("A.swift", text) == [
        FunctionBody(first: 2, last: 4), FunctionBody(first: 5, last: 9),
        FunctionBody(first: 11, last: 11), FunctionBody(first: 10, last: 13),
      ])
  }

  @Test func swiftRequirementsHaveNoBody() {
    #expect(bodies("A.swift", "protocol A {\n  func a()\n}\nstruct B {\n}").isEmpty)
  }

  @Test func cFunctionsAreFoundWithTheirLines() {
    let text = """
      #include "a.h"
      static const int table[2] = {1, 2};
      struct a { int b; };
      __attribute__((target("avx2")))
      static int a(
          int b)
      {
        for (;;) { }
      }
      void b(void) { }
      """
    #expect(
      bodies("A.c", text) == [FunctionBody(first: 3, last: 8), FunctionBody(first: 9, last: 9)])
  }

  @Test func macroThatDefinesAFunctionCounts() {
    let text = "#define A(name) \\\n  int name(void) { \\\n    return 0; \\\n  }"
    #expect(bodies("A.c", text) == [FunctionBody(first: 1, last: 3)])
  }
}
