using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Folder;

namespace Natalia.Backup.Hypervisors.Tests.Folder;

public sealed class ChangesFileTests
{
    private const long Length = 1_000_000;
    private static readonly DateTime s_modified = new DateTime(2031, 5, 6, 7, 8, 9, DateTimeKind.Utc).AddTicks(1234567);

    private const string Good = """
        { "token": "t3", "imageLength": 1000000, "imageModifiedUtc": "2031-05-06T07:08:09.123456789Z",
          "changes": [ { "since": "t2", "extents": [[8192, 4096], [0, 8192], [500000, 10], [500005, 20], [999999, 1], [7, 0]] },
                       { "since": "t1", "extents": [] } ] }
        """;

    [Fact]
    public void Extents_come_in_order_and_joined()
    {
        ChangesFile file = Parse(Good);

        Assert.Equal("t3", file.Token);
        Assert.Equal([new Extent(0, 12288), new Extent(500000, 25), new Extent(999999, 1)], file.Since("t2").Extents);
        Assert.Equal([], file.Since("t1").Extents);
    }

    [Fact]
    public void Since_its_own_state_nothing_changed()
    {
        Assert.Equal([], Parse(Good).Since("t3").Extents);
    }

    [Theory]
    [InlineData("t0")]
    [InlineData("T2")]
    public void A_token_it_does_not_know_is_answered_with_the_reason(string token)
    {
        ChangedExtents answer = Parse(Good).Since(token);

        Assert.Null(answer.Extents);
        Assert.Contains($"'{token}'", answer.Reason);
    }

    [Theory]
    [InlineData(Length + 1, 0)]
    [InlineData(Length, 20)]
    [InlineData(Length, -10_000_000)]
    public void It_counts_only_for_the_image_that_it_was_written_for(long length, long ticksLater)
    {
        ChangesFile file = ChangesFile.Parse("data.changes.json", Good, length, s_modified.AddTicks(ticksLater));

        Assert.Null(file.Token);
        Assert.Contains("written after", file.Since("t2").Reason);
        Assert.Null(file.Since("t3").Extents);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData(
        """{ "token": "", "imageLength": 1000000, "imageModifiedUtc": "2031-05-06T07:08:09.1234567Z", "changes": [] }""")]
    [InlineData(
        """{ "token": 3, "imageLength": 1000000, "imageModifiedUtc": "2031-05-06T07:08:09.1234567Z", "changes": [] }""")]
    [InlineData(
        """{ "token": "t", "imageLength": "many", "imageModifiedUtc": "2031-05-06T07:08:09.1234567Z", "changes": [] }""")]
    [InlineData("""{ "token": "t", "imageLength": 1000000, "imageModifiedUtc": "yesterday", "changes": [] }""")]
    [InlineData("""{ "token": "t", "imageLength": 1000000, "imageModifiedUtc": "2031-05-06T07:08:09.1234567Z" }""")]
    [InlineData(
        """{ "token": "t", "imageLength": 1000000, "imageModifiedUtc": "2031-05-06T07:08:09.1234567Z", "changes": [ { "since": "s", "extents": [[0]] } ] }""")]
    [InlineData(
        """{ "token": "t", "imageLength": 1000000, "imageModifiedUtc": "2031-05-06T07:08:09.1234567Z", "changes": [ { "since": "s", "extents": [[0, "8"]] } ] }""")]
    [InlineData(
        """{ "token": "t", "imageLength": 1000000, "imageModifiedUtc": "2031-05-06T07:08:09.1234567Z", "changes": [ { "since": "s", "extents": [[-1, 8]] } ] }""")]
    [InlineData(
        """{ "token": "t", "imageLength": 1000000, "imageModifiedUtc": "2031-05-06T07:08:09.1234567Z", "changes": [ { "since": "s", "extents": [[8, -1]] } ] }""")]
    [InlineData(
        """{ "token": "t", "imageLength": 1000000, "imageModifiedUtc": "2031-05-06T07:08:09.1234567Z", "changes": [ { "since": "s", "extents": [[999999, 2]] } ] }""")]
    [InlineData(
        """{ "token": "t", "imageLength": 1000000, "imageModifiedUtc": "2031-05-06T07:08:09.1234567Z", "changes": [ { "since": "s", "extents": [[9223372036854775807, 9223372036854775807]] } ] }""")]
    [InlineData(
        """{ "token": "t", "imageLength": 1000000, "imageModifiedUtc": "2031-05-06T07:08:09.1234567Z", "changes": [ { "since": "s", "extents": [] }, { "since": "s", "extents": [] } ] }""")]
    public void A_bad_file_means_no_tracking_and_says_why(string text)
    {
        ChangesFile file = Parse(text);

        Assert.Null(file.Token);
        Assert.Null(file.Since("s").Extents);
        Assert.Contains("data.changes.json", file.Since("s").Reason);
    }

    private static ChangesFile Parse(string text) => ChangesFile.Parse("data.changes.json", text, Length, s_modified);
}
