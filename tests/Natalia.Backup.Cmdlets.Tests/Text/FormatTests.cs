using System.Management.Automation;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Cmdlets.Tests.Text;

public sealed class FormatTests
{
    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1024, "1.00 KiB")]
    [InlineData(1536, "1.50 KiB")]
    [InlineData(10234, "9.99 KiB")]
    [InlineData(10240, "10.0 KiB")]
    [InlineData(102390, "100 KiB")]
    [InlineData(1048575, "1.00 MiB")]
    [InlineData(67108864, "64.0 MiB")]
    [InlineData(6442450944, "6.00 GiB")]
    [InlineData(long.MaxValue, "8.00 EiB")]
    [InlineData(-2048, "-2.00 KiB")]
    public void Sizes_have_three_digits_and_a_binary_unit(long bytes, string text) =>
        Assert.Equal(text, ByteSize.Format(bytes));

    [Theory]
    [InlineData(0.0, "0.00 s")]
    [InlineData(9.994, "9.99 s")]
    [InlineData(9.996, "10.0 s")]
    [InlineData(59.94, "59.9 s")]
    [InlineData(59.96, "1:00 min")]
    [InlineData(187, "3:07 min")]
    [InlineData(3599.7, "1:00:00 h")]
    [InlineData(90000, "25:00:00 h")]
    public void Durations_show_what_matters_at_their_length(double seconds, string text) =>
        Assert.Equal(text, _Format.Duration(TimeSpan.FromSeconds(seconds)));

    [Fact]
    public void Times_are_shown_in_UTC_whatever_their_kind()
    {
        var utc = new DateTime(2026, 11, 23, 18, 0, 5, DateTimeKind.Utc);

        Assert.Equal("2026-11-23 18:00:05", _Format.Utc(utc));
        Assert.Equal("2026-11-23 18:00:05", _Format.Utc(utc.ToLocalTime()));
        Assert.StartsWith("2026-11-23 18:00:05 UTC (", _Format.UtcAndLocal(utc), StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_is_shown_for_nothing()
    {
        Assert.Equal("", _Format.Size(null));
        Assert.Equal("", _Format.ExactSize(null));
        Assert.Equal("", _Format.Utc(null));
        Assert.Equal("", _Format.UtcAndLocal(null));
        Assert.Equal("", _Format.ShortId(null));
        Assert.Equal("", _Format.Duration(null));
        Assert.Equal("", _Format.List(null));
        Assert.Equal("", _Format.YesNo(null));
        Assert.Equal("", _Format.End(null, 5));
        Assert.Equal("", _Format.Marks(null, null));
        Assert.Equal("", _Format.Finding(null, null, null));
    }

    [Fact]
    public void What_came_back_from_a_job_is_shown_like_the_original()
    {
        Assert.Equal("1.00 KiB", _Format.Size(PSObject.AsPSObject(1024L)));
        Assert.Equal("1.00 KiB", _Format.Size("1024"));
        Assert.Equal("protected, copy", _Format.Marks("True", "id"));
        Assert.Equal("…6789", _Format.End("123456789", 5));
        Assert.Equal("8 (expected: 9)", _Format.Finding("", "9", "8"));
        Assert.Equal("1.00 KiB (1,024 bytes)", _Format.ExactSize(1024));
        Assert.Equal("12.0 s", _Format.Duration("00:00:12"));
        Assert.Equal("a, b", _Format.List(PSObject.AsPSObject(new System.Collections.ArrayList { "a", "b" })));
        Assert.Equal("yes", _Format.YesNo(PSObject.AsPSObject(true)));
        Assert.Equal("01234567", _Format.ShortId("0123456789abcdef"));
    }
}
