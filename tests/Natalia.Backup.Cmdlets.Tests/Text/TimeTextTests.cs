using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Cmdlets.Tests.Text;

public sealed class TimeTextTests
{
    [Theory]
    [InlineData(0, "0 s")]
    [InlineData(45, "45 s")]
    [InlineData(90, "1 min 30 s")]
    [InlineData(3600, "1 h")]
    [InlineData(21_720, "6 h 2 min")]
    [InlineData(21_779, "6 h 2 min")]
    [InlineData(93_600, "26 h")]
    [InlineData(259_200, "3 d")]
    [InlineData(7_952_400, "92 d 1 h")]
    [InlineData(-60, "-1 min")]
    public void A_time_has_at_most_two_units(int seconds, string text) =>
        Assert.Equal(text, TimeText.Span(TimeSpan.FromSeconds(seconds)));
}
