using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Cmdlets.Tests.Text;

public sealed class WordWrapTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("whole line", "whole line")]
    [InlineData("one two three", "one two|three")]
    [InlineData("exactly ten more", "exactly|ten more")]
    [InlineData("1234567890 x", "1234567890|x")]
    [InlineData("a  b    c         d", "a  b    c|d")]
    [InlineData("12345678901234", "1234567890|1234")]
    [InlineData("in /srv/store/x.raw", "in|/srv/|store/|x.raw")]
    [InlineData("123456789\U0001F4BE", "123456789|\U0001F4BE")]
    [InlineData("日本語日本語日本語", "日本語日本|語日本語")]
    [InlineData("backup 日本語日本語", "backup 日|本語日本語")]
    public void Lines_end_between_words(string text, string lines) =>
        Assert.Equal(lines.Split('|'), WordWrap.Break(text, 10).Split(Environment.NewLine));

    [Fact]
    public void Nothing_is_lost_and_no_line_is_too_long()
    {
        var random = new Random(5);
        for (int i = 0; i < 2000; i++)
        {
            string text = new([.. Enumerable.Range(0, random.Next(80)).Select(_ => "ab/ -."[random.Next(6)])]);
            int width = random.Next(1, 20);
            string[] lines = WordWrap.Break(text, width).Split(Environment.NewLine);
            Assert.All(lines, l => Assert.InRange(l.Length, 0, Math.Max(width, 1)));
            Assert.Equal(text.Replace(" ", "", StringComparison.Ordinal),
                string.Concat(lines).Replace(" ", "", StringComparison.Ordinal));
        }
    }
}
