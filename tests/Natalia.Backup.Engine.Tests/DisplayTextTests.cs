namespace Natalia.Backup.Engine.Tests;

public sealed class DisplayTextTests
{
    [Theory]
    [InlineData("natalia-paris äöü 東京 👍", "natalia-paris äöü 東京 👍")]
    [InlineData("a\u001b[2Jb", "a\\u001B[2Jb")]
    [InlineData("a\u009b1mb\u007f", "a\\u009B1mb\\u007F")]
    [InlineData("gpj\u202eexe\u2066x\u200f", "gpj\\u202Eexe\\u2066x\\u200F")]
    [InlineData("a\rb", "a\\u000Db")]
    [InlineData("line 1\r\nline\t2\n", "line 1\r\nline\t2\n")]
    [InlineData("a\u2028b\0", "a\\u2028b\\u0000")]
    [InlineData(null, "")]
    public void What_would_command_a_terminal_is_made_visible(string? text, string shown) =>
        Assert.Equal(shown, DisplayText.Clean(text));

    [Fact]
    public void A_cell_has_one_line() => Assert.Equal("a\\u000D\\u000Ab\\u0009c", DisplayText.CleanLine("a\r\nb\tc"));

    [Fact]
    public void Errors_show_nothing_else()
    {
        var error = new NataliaException(ErrorIds.TaskFailed, NataliaErrorKind.InvalidOperation, "It said \u001b[1A.",
            "vm\u001b", "Look at \u009b.");
        Assert.Equal(("It said \\u001B[1A.", "Look at \\u009B.", "vm\u001b"),
            (error.Message, error.RecommendedAction, error.Target));
    }
}
