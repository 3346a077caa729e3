using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Retention;

public sealed class TimeZonesTests
{
    // A system that knows only its own kind of ids, as .NET Framework does, or .NET without ICU.
    private static readonly Func<string, TimeZoneInfo?> s_windowsOnly =
        id => id is "Romance Standard Time" or "India Standard Time" or "FLE Standard Time"
        ? Named(id)
        : null;
    private static readonly Func<string, TimeZoneInfo?> s_ianaOnly =
        id => id is "Europe/Paris" or "Asia/Kolkata" or "Asia/Calcutta"
        ? Named(id)
        : null;

    [Theory]
    [InlineData("Europe/Paris", "Romance Standard Time")]
    [InlineData("europe/paris", "Romance Standard Time")]
    [InlineData("Europe/Brussels", "Romance Standard Time")]
    [InlineData("Asia/Kolkata", "India Standard Time")]
    [InlineData("Asia/Calcutta", "India Standard Time")]
    [InlineData("Europe/Kyiv", "FLE Standard Time")]
    [InlineData("Europe/Kiev", "FLE Standard Time")]
    [InlineData("Romance Standard Time", "Romance Standard Time")]
    public void A_system_with_windows_ids_finds_both(string id, string found) =>
        Assert.Equal(found, TimeZones.TryFind(id, s_windowsOnly)?.Id);

    [Theory]
    [InlineData("Romance Standard Time", "Europe/Paris")]
    [InlineData("romance standard time", "Europe/Paris")]
    [InlineData("Europe/Paris", "Europe/Paris")]
    [InlineData("EUROPE/PARIS", "Europe/Paris")]
    [InlineData("India Standard Time", "Asia/Calcutta")]
    public void A_system_with_iana_ids_finds_both(string id, string found) =>
        Assert.Equal(found, TimeZones.TryFind(id, s_ianaOnly)?.Id);

    [Fact]
    public void Utc_needs_no_data_at_all()
    {
        Assert.Equal(TimeSpan.Zero, TimeZones.TryFind("utc", _ => null)!.BaseUtcOffset);
        Assert.Equal(TimeSpan.Zero, TimeZones.Find("Etc/UTC").BaseUtcOffset);
    }

    [Theory]
    [InlineData("Nowhere/Land")]
    [InlineData("")]
    [InlineData("../../etc/passwd")]
    [InlineData("/etc/localtime")]
    [InlineData("Europe")]
    public void An_unknown_zone_is_an_error_that_names_it(string id)
    {
        NataliaException error = Assert.Throws<NataliaException>(() => TimeZones.Find(id));
        Assert.Equal(ErrorIds.TimeZoneNotFound, error.ErrorId);
        Assert.Contains($"'{id}'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    [WineCannotTell("Wine lacks some zones of Windows")]
    public void Every_id_of_the_list_is_found_here()
    {
        Assert.InRange(TimeZones.KnownIds.Count, 700, 800);
        foreach (string id in TimeZones.KnownIds) Assert.NotNull(TimeZones.Find(id));
    }

    [Fact]
    public void Both_names_of_a_zone_give_the_same_plan()
    {
        RetentionPoint[] points = Plans.Every("2026-03-25T21:30:00Z", 1, 200);
        var iana = new RetentionPolicy { Hourly = 12, Daily = 7, TimeZoneId = "Europe/Paris" };
        Assert.Equal(iana.Plan(points).Select(r => r.Mark()),
            (iana with { TimeZoneId = "Romance Standard Time" }).Plan(points).Select(r => r.Mark()));
    }

    private static TimeZoneInfo Named(string id) =>
        TimeZoneInfo.CreateCustomTimeZone(id, TimeSpan.FromHours(1), id, id);
}
