using System.Text;
using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>
/// Servers that break S3's rules: each ends with a word that says so, is asked no more than needed, and is never
/// believed.
/// </summary>
public sealed class S3HostileServerTests
{
    private static readonly RetryPolicy s_immediate = new() { FirstDelay = TimeSpan.FromMilliseconds(1) };
    private static CancellationToken None => CancellationToken.None;

    private static S3StoreOptions Options(Uri endpoint) => new()
    {
        Bucket = "b",
        Prefix = "p",
        Endpoint = endpoint,
        AccessKey = "the-key-id",
        SecretKey = CephServer.Secret("the-secret"),
        StallTimeout = TimeSpan.FromSeconds(20),
    };

    private static string Page(IEnumerable<string> keys, string? next = null) =>
        $"<ListBucketResult><Name>b</Name><IsTruncated>{(next is null ? "false" : "true")}</IsTruncated>"
        + (next is null ? "" : $"<NextContinuationToken>{next}</NextContinuationToken>")
        + string.Concat(keys
            .Select(k => $"<Contents><Key>"
                + $"{k}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>1</Size></Contents>"))
        + "</ListBucketResult>";

    private static async Task<List<string>> NamesAsync(IObjectStore store)
    {
        var names = new List<string>();
        await foreach (StoredObject item in store.ListAsync("", None)) names.Add(item.Name);
        return names;
    }

    public static TheoryData<string, string[]> WrongLists => new()
    {
        { "out of order", [Page(["p/a", "p/c", "p/b", "p/d"])] },
        { "out of order across pages", [Page(["p/c"], "t1"), Page(["p/a"])] },
        { "each key thrice", [Page(["p/a", "p/a", "p/a", "p/b", "p/b", "p/b"])] },
        { "the same page for ever", [Page(["p/a"], "t1"), Page([], "t1")] },
        { "going on nowhere", ["<ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated></ListBucketResult>"] },
        { "keys of another prefix", [Page(["p/a", "q/b"])] },
        { "keys shorter than the prefix", [Page(["p"])] },
        { "no key", [
            "<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents></ListBucketResult>"] },
        { "no time", [
            "<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated><Contents><Key>p/a</Key><Size>1</Size></Contents></ListBucketResult>"] },
    };

    [Theory]
    [MemberData(nameof(WrongLists))]
    public async Task A_list_that_cannot_be_right_is_never_taken_for_the_list(string what, string[] pages)
    {
        int page = 0;
        using var server =
            new CannedServer(
                r => r.Contains("max-keys=1") || !r.Contains("list-type=2")
                    ? CannedServer.EmptyBucket(r) ?? CannedServer.S3Error(404, "NoSuchKey")
                    : (200, pages[Math.Min(page++, pages.Length - 1)]));
        using var store = new RetryStore(await S3Store.OpenAsync(Options(server.Endpoint), None), s_immediate);
        int before = server.Requests;
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => NamesAsync(store));
        Assert.Equal((what, ErrorIds.StoreAnswerInvalid), (what, error.ErrorId));
        Assert.InRange(server.Requests - before, 1, 3);
    }

    [Fact]
    public async Task Pages_without_keys_end_some_time()
    {
        int page = 0;
        using var server =
            new CannedServer(
                r => r.Contains("max-keys=1") || !r.Contains("list-type=2")
                    ? CannedServer.EmptyBucket(r)!.Value
                    : (200, Page([], $"t{page++}")));
        using var store = new RetryStore(await S3Store.OpenAsync(Options(server.Endpoint), None), s_immediate);
        Assert.Equal(ErrorIds.StoreAnswerInvalid,
            (await Assert.ThrowsAsync<NataliaException>(() => NamesAsync(store))).ErrorId);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Versions_that_go_round_in_a_circle_end(bool ofOneName)
    {
        const string circle =
            "<ListVersionsResult><Name>b</Name><IsTruncated>true</IsTruncated><NextKeyMarker>p/a</NextKeyMarker><NextVersionIdMarker>1</NextVersionIdMarker>"
            + "<Version><Key>p/a</Key><VersionId>1</VersionId><IsLatest>true</IsLatest><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>1</Size></Version></ListVersionsResult>";
        using var server =
            new CannedServer(
                r => r.Contains("?versioning")
                    ? (200, "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
            : r.Contains("versions")
                ? (200, circle)
                : r.Contains("object-lock")
                    ? CannedServer.S3Error(404, "ObjectLockConfigurationNotFoundError")
                    : CannedServer.EmptyBucket(r)!.Value);
        using var store = new RetryStore(await S3Store.OpenAsync(Options(server.Endpoint), None), s_immediate);
        NataliaException error =
            await Assert.ThrowsAsync<NataliaException>(
                () => ofOneName ? store.StatAsync("a", None) : NamesAsync(store));
        Assert.Equal(ErrorIds.StoreAnswerInvalid, error.ErrorId);
        Assert.InRange(server.Requests, 1, 7);
    }

    [Theory]
    [InlineData(301)]
    [InlineData(302)]
    [InlineData(303)]
    [InlineData(307)]
    [InlineData(308)]
    public async Task No_redirect_leaves_the_endpoint(int status)
    {
        // It speaks S3 as well as the other one.
        using var elsewhere =
            new CannedServer(r => CannedServer.EmptyBucket(r) ?? CannedServer.S3Error(404, "NoSuchKey"));
        using var server = new CannedServer(_ => (status, ""))
        {
            Headers = r => $"Location: {elsewhere.Endpoint.AbsoluteUri.TrimEnd('/')}{r.Split(' ')[1]}\r\n",
        };
        NataliaException error =
            await Assert.ThrowsAsync<NataliaException>(() => S3Store.OpenAsync(Options(server.Endpoint), None));
        Assert.Equal((ErrorIds.StoreRedirected, NataliaErrorKind.Security), (error.ErrorId, error.Kind));
        Assert.Contains($"'http://{elsewhere.Endpoint.Authority}'", error.Message, StringComparison.Ordinal);
        Assert.Equal((1, 0), (server.Requests, elsewhere.Requests));
    }

    [Fact]
    public async Task No_redirect_in_the_middle_of_the_work_is_followed_either()
    {
        using var elsewhere = new CannedServer(_ => (200, ""));
        using var server = new CannedServer(r => CannedServer.EmptyBucket(r) ?? (307, ""))
        {
            Headers = r => r.Contains("/p/a") ? $"Location: {elsewhere.Endpoint.AbsoluteUri}b/p/a\r\n" : "",
        };
        using var store = new RetryStore(await S3Store.OpenAsync(Options(server.Endpoint), None), s_immediate);
        Func<Task>[] calls = [() => store.PutAsync("a", new ObjectContent(new byte[10]), PutOptions.Data, None),
            () => store.ReadAsync("a", 0, new byte[1], None), () => store.DeleteAsync("a", None),
            () => store.StatAsync("a", None)];
        foreach (Func<Task> call in calls)
            Assert.Equal(ErrorIds.StoreRedirected, (await Assert.ThrowsAsync<NataliaException>(call)).ErrorId);
        Assert.Equal(0, elsewhere.Requests);
    }

    [Fact]
    public async Task A_redirect_to_the_bucket_s_region_names_the_region_and_the_host()
    {
        using var server =
            new CannedServer(
                _ => (301,
                    "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message><Endpoint>b.s3.eu-west-3.amazonaws.com</Endpoint><RequestId>1</RequestId></Error>"))
            {
                Headers = _ => "x-amz-bucket-region: eu-west-3\r\n"
            };
        NataliaException error =
            await Assert.ThrowsAsync<NataliaException>(() => S3Store.OpenAsync(Options(server.Endpoint), None));
        Assert.Equal(ErrorIds.BucketRegionWrong, error.ErrorId);
        Assert.Contains("b.s3.eu-west-3.amazonaws.com", error.Message, StringComparison.Ordinal);
        Assert.Contains("-Region eu-west-3", error.RecommendedAction, StringComparison.Ordinal);
        Assert.Equal(1, server.Requests);
    }

    /// <summary>A server that takes a put, answers it in its own way, and gives back what it says it has.</summary>
    private static CannedServer PutServer(string headers, string body, byte[]? has) => new(r =>
        r.StartsWith("PUT", StringComparison.Ordinal) && !r.Contains(".probe-") ? (200, body)
        : CannedServer.EmptyBucket(r) is { } known ? known
        : has is null ? CannedServer.S3Error(404, "NoSuchKey") : (200, Encoding.Latin1.GetString(has)))
    {
        Headers = r => r.StartsWith("PUT", StringComparison.Ordinal)
            ? headers
            : r.StartsWith("HEAD", StringComparison.Ordinal) && has is not null
                ? "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                : "",
    };

    private static readonly byte[] s_sent = Encoding.ASCII.GetBytes("the bytes that were sent");

    [Theory]
    [InlineData("SlowDown", ErrorIds.StoreThrottled)]
    [InlineData("InternalError", ErrorIds.StoreUnavailable)]
    [InlineData("QuotaExceeded", ErrorIds.StoreFull)]
    [InlineData("AccessDenied", ErrorIds.StoreAccessDenied)]
    public async Task A_put_that_is_answered_with_200_and_an_error_is_that_error(string code, string id)
    {
        using CannedServer server = PutServer("",
            $"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>said "
            + "late</Message><RequestId>1</RequestId></Error>",
            null);
        using S3Store store = await S3Store.OpenAsync(Options(server.Endpoint), None);
        Assert.Equal(id,
            (await Assert.ThrowsAsync<NataliaException>(
                () => store.PutAsync("a", new ObjectContent(s_sent), PutOptions.Data, None))).ErrorId);
    }

    [Theory]
    [InlineData("ETag: \"00000000000000000000000000000000\"\r\n")]
    [InlineData("")]
    public async Task A_put_whose_tag_is_wrong_or_missing_is_not_believed(string headers)
    {
        using (CannedServer other = PutServer(headers, "", Encoding.ASCII.GetBytes("other bytes of the same!")))
        using (var store = new RetryStore(await S3Store.OpenAsync(Options(other.Endpoint), None), s_immediate))
        {
            Assert.Equal(ErrorIds.StoreAnswerInvalid,
                (await Assert.ThrowsAsync<NataliaException>(
                    () => store.PutAsync("a", new ObjectContent(s_sent), PutOptions.Data, None))).ErrorId);
            Assert.Single(other.Log,
                l => l.StartsWith("PUT", StringComparison.Ordinal)
                    && l.EndsWith("/p/a?x-id=PutObject", StringComparison.Ordinal)
                    || l == "PUT /b/p/a");
        }
        using CannedServer nothing = PutServer(headers, "", null);
        using S3Store plain = await S3Store.OpenAsync(Options(nothing.Endpoint), None);
        Assert.Equal(ErrorIds.StoreWriteFailed,
            (await Assert.ThrowsAsync<NataliaException>(
                () => plain.PutAsync("a", new ObjectContent(s_sent), PutOptions.Data, None))).ErrorId);
    }

    [Theory]
    // Encrypted with a managed key: looks like an MD5 and is none. A server with tags of its own. Of several parts.
    // None at all.
    [InlineData("ETag: \"00000000000000000000000000000000\"\r\nx-amz-server-side-encryption: aws:kms\r\n", 0, 0)]
    [InlineData("ETag: \"00000000000000000000000000000000\"\r\n", 1, 0)]
    [InlineData("ETag: \"00000000000000000000000000000000-1\"\r\n", 0, 0)]
    [InlineData("", 1, 2)]
    public async Task A_tag_that_is_no_MD5_is_understood_and_read_back_once_at_most(string headers, int reads,
        int heads)
    {
        using CannedServer server = PutServer(headers, "", s_sent);
        using S3Store store = await S3Store.OpenAsync(Options(server.Endpoint), None);
        for (int i = 0; i < 3; i++) await store.PutAsync("a", new ObjectContent(s_sent), PutOptions.Data, None);
        Assert.Equal(reads, server.Log.Count(l => l.StartsWith("GET", StringComparison.Ordinal) && l.Contains("/p/a")));
        Assert.Equal(reads + heads, server.Log.Count(l => l.StartsWith("HEAD", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_bucket_whose_versioning_cannot_be_told_is_not_taken_for_a_plain_one()
    {
        using var server =
            new CannedServer(
                r => r.Contains("?versioning")
                    ? (200, "<Error><Code>InternalError</Code><Message>said "
                        + "late</Message><RequestId>1</RequestId></Error>")
                    : CannedServer.EmptyBucket(r)!.Value);
        Assert.Equal(ErrorIds.StoreUnavailable,
            (await Assert.ThrowsAsync<NataliaException>(
                () => S3Store.OpenAsync(Options(server.Endpoint), None))).ErrorId);
    }

    [Fact]
    public async Task A_server_that_knows_no_ranges_does_not_pass_the_beginning_off_as_the_middle()
    {
        using var server = new CannedServer(r => CannedServer.EmptyBucket(r) ?? (200, "0123456789"));
        using S3Store store = await S3Store.OpenAsync(Options(server.Endpoint), None);
        byte[] buffer = new byte[4];
        Assert.Equal(4, await store.ReadAsync("a", 0, buffer, None));
        Assert.Equal(ErrorIds.StoreAnswerInvalid,
            (await Assert.ThrowsAsync<NataliaException>(() => store.ReadAsync("a", 5, buffer, None))).ErrorId);
    }

    /// <summary>
    /// Longer than the server's clock can run while the client has no turn: a second for every byte that it writes.
    /// </summary>
    private static readonly TimeSpan s_never = TimeSpan.FromSeconds(2 << 20);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task One_byte_a_second_is_a_broken_line(bool ranged)
    {
        var clock = new FakeTimeProvider();
        int written = 0;
        using var server = new CannedServer(r => CannedServer.EmptyBucket(r) ?? (200, new string('x', 1 << 20)))
        {
            Write = async (stream, bytes) =>
            {
                if (bytes.Length < 1 << 20) { await stream.WriteAsync(bytes); return; }
                foreach (byte one in bytes)
                {
                    clock.Advance(TimeSpan.FromSeconds(1));
                    await stream.WriteAsync(new[] { one });
                    Interlocked.Increment(ref written);
                }
            },
        };
        using S3Store store = await S3Store.OpenAsync(Options(server.Endpoint) with { StallTimeout = s_never }, None,
            clock);
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(async () =>
        {
            if (ranged)
            {
                await store.ReadAsync("a", 0, new byte[1 << 20], None);
                return;
            }
            using Stream stream = await store.OpenReadAsync("a", None);
            // Piece by piece, as a restore takes it.
            while (await stream.ReadAsync(new byte[100], None) > 0) { }
        });
        Assert.Equal((ErrorIds.StoreUnavailable, NataliaErrorKind.Timeout), (error.ErrorId, error.Kind));
        Assert.Contains("64 KiB in a minute", error.Message, StringComparison.Ordinal);
        // How far the server has run ahead of the client is the machine's business; that it was given its minute is
        // ours.
        Assert.InRange(Volatile.Read(ref written), 55, int.MaxValue);
    }

    [Fact]
    public async Task Who_takes_a_long_time_over_the_bytes_is_no_slow_line()
    {
        var clock = new FakeTimeProvider();
        using var server = new CannedServer(r => CannedServer.EmptyBucket(r) ?? (200, new string('x', 10_000)));
        using S3Store store =
            await S3Store.OpenAsync(Options(server.Endpoint) with { StallTimeout = TimeSpan.FromHours(9) },
            None, clock);
        using Stream stream = await store.OpenReadAsync("a", None);
        int all = 0;
        for (int count; (count = await stream.ReadAsync(new byte[100], None)) > 0; all += count)
            clock.Advance(TimeSpan.FromMinutes(3));
        Assert.Equal(10_000, all);
    }

    [Fact]
    public async Task A_server_that_says_nothing_is_given_up_by_the_clock()
    {
        var clock = new FakeTimeProvider();
        using var server = new CannedServer(r =>
        {
            if (CannedServer.EmptyBucket(r) is { } known) return known;
            clock.Advance(TimeSpan.FromSeconds(21));
            return (0, "");
        });
        using S3Store store = await S3Store.OpenAsync(Options(server.Endpoint), None, clock);
        NataliaException error =
            await Assert.ThrowsAsync<NataliaException>(() => store.ReadAsync("a", 0, new byte[1], None));
        Assert.Equal((ErrorIds.StoreUnavailable, NataliaErrorKind.Timeout), (error.ErrorId, error.Kind));
    }
}
