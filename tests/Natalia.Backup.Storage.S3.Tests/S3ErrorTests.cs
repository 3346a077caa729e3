using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

public sealed class S3ErrorTests
{
    private static CancellationToken None => CancellationToken.None;

    private static S3StoreOptions Options(Uri endpoint) => new()
    {
        Bucket = "b",
        Endpoint = endpoint,
        AccessKey = "key",
        SecretKey = CephServer.Secret("the-secret"),
        StallTimeout = TimeSpan.FromSeconds(20),
    };

    private static async Task<NataliaException> OpenError(S3StoreOptions options)
    {
        NataliaException error =
            await Assert.ThrowsAsync<NataliaException>(async () => (await S3Store.OpenAsync(options, None)).Dispose());
        Assert.DoesNotContain("the-secret", error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(CephServer.SecretKey, error.ToString(), StringComparison.Ordinal);
        Assert.NotNull(error.Target);
        return error;
    }

    [CephFact]
    public async Task Says_that_the_secret_is_wrong()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        Assert.Equal(ErrorIds.StoreCredentialRefused,
            (await OpenError(TestOptions.For(bucket) with { SecretKey = CephServer.Secret("wrong") })).ErrorId);
        Assert.Equal(ErrorIds.StoreCredentialRefused,
            (await OpenError(TestOptions.For(bucket) with { AccessKey = "nobody" })).ErrorId);
    }

    [CephFact]
    public async Task Says_that_there_is_no_such_bucket()
    {
        NataliaException error = await OpenError(TestOptions.For("no-such-bucket"));
        Assert.Equal((ErrorIds.BucketNotFound, "s3://no-such-bucket"), (error.ErrorId, error.Target));
    }

    [CephFact]
    public async Task Says_that_a_bucket_has_no_object_lock()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        Assert.Equal(ErrorIds.BucketWithoutObjectLock,
            (await OpenError(TestOptions.For(bucket) with { LockMode = ObjectLockMode.Compliance })).ErrorId);
    }

    [CephFact]
    public async Task Says_that_the_bucket_has_gone_instead_of_finding_nothing()
    {
        foreach (bool locked in new[] { false, true })
        {
            string bucket = await CephServer.Running.MakeBucketAsync(locked);
            using S3Store store = await S3Store.OpenAsync(TestOptions.For(bucket), None);
            await CephServer.Running.Admin.DeleteBucketAsync(bucket);
            Func<Task>[] calls =
            [
                () => store.StatAsync("a", None), () => store.ReadAsync("a", 0, new byte[1], None),
                () => store.OpenReadAsync("a", None),
                () => store.PutAsync("a", new ObjectContent(), PutOptions.Metadata, None),
                () => store.DeleteAsync("a", None), async () =>
                {
                    await foreach (StoredObject _ in store.ListAsync("", None)) { }
                },
            ];
            foreach (Func<Task> call in calls)
                Assert.Equal(ErrorIds.BucketNotFound, (await Assert.ThrowsAsync<NataliaException>(call)).ErrorId);
        }
    }

    [CephFact]
    public async Task Says_that_a_server_without_tls_was_asked_for_tls()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        NataliaException error = await OpenError(TestOptions.For(bucket) with
        {
            Endpoint = new Uri("https://127.0.0.1:" + CephServer.Running.Endpoint.Port),
        });
        Assert.Equal(ErrorIds.StoreCertificateRefused, error.ErrorId);
    }

    [Fact]
    public async Task Says_that_nobody_listens_at_the_endpoint()
    {
        using var server = new CannedServer(_ => (200, ""));
        Uri closed = server.Endpoint;
        server.Dispose();
        Assert.Equal(ErrorIds.StoreUnavailable, (await OpenError(Options(closed))).ErrorId);
    }

    [Fact]
    public async Task Says_that_a_connection_cannot_be_opened_in_time()
    {
        NataliaException error = await OpenError(Options(new Uri("http://s3.natalia.test")) with
        {
            ConnectTimeout = TimeSpan.FromMilliseconds(50),
            Connect = async (_, _, stop) =>
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, stop);
                return Stream.Null;
            },
        });
        Assert.Equal((ErrorIds.StoreUnavailable, NataliaErrorKind.Timeout), (error.ErrorId, error.Kind));
        Assert.True(RetryPolicy.IsTransient(error));
    }

    [Fact]
    public async Task Does_not_take_a_request_that_the_network_cancelled_for_one_that_the_caller_did()
    {
        using var requests = new S3Requests(Options(new Uri("http://127.0.0.1:1")), TimeProvider.System);
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() =>
            requests.SendAsync<int>("a/b", S3Call.Get, () => { }, _ => throw new TaskCanceledException(), None));
        Assert.Equal((ErrorIds.StoreUnavailable, NataliaErrorKind.Timeout), (error.ErrorId, error.Kind));
        using var stopped = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            requests.SendAsync<int>("a/b", S3Call.Get, stopped.Cancel, _ => throw new TaskCanceledException(),
                stopped.Token));
    }

    [Fact]
    public async Task Says_that_there_is_no_such_host()
    {
        // Reserved names that no name server may know.
        Assert.Equal(ErrorIds.StoreEndpointNotFound,
            (await OpenError(Options(new Uri("https://s3.no-such-host.invalid")))).ErrorId);
    }

    [Theory]
    [InlineData("ftp://host")]
    [InlineData("https://user:the-secret@host")]
    public async Task Refuses_an_endpoint_that_cannot_be_meant(string endpoint) =>
        Assert.Equal(ErrorIds.StoreEndpointInvalid, (await OpenError(Options(new Uri(endpoint)))).ErrorId);

    [Theory]
    [InlineData(403, "RequestTimeTooSkewed", ErrorIds.StoreClockSkewed)]
    [InlineData(400, "AuthorizationHeaderMalformed", ErrorIds.BucketRegionWrong)]
    [InlineData(301, "PermanentRedirect", ErrorIds.BucketRegionWrong)]
    [InlineData(307, "TemporaryRedirect", ErrorIds.BucketRegionWrong)]
    [InlineData(503, "SlowDown", ErrorIds.StoreThrottled)]
    [InlineData(429, "TooManyRequests", ErrorIds.StoreThrottled)]
    [InlineData(500, "InternalError", ErrorIds.StoreUnavailable)]
    [InlineData(403, "AccessDenied", ErrorIds.StoreAccessDenied)]
    [InlineData(403, "InvalidAccessKeyId", ErrorIds.StoreCredentialRefused)]
    [InlineData(400, "ExpiredToken", ErrorIds.StoreCredentialRefused)]
    [InlineData(404, "NoSuchBucket", ErrorIds.BucketNotFound)]
    public async Task Has_an_id_for_each_refusal_of_a_connection(int status, string code, string id)
    {
        using var server = new CannedServer(_ => CannedServer.S3Error(status, code));
        Assert.Equal(id, (await OpenError(Options(server.Endpoint))).ErrorId);
        // Repeating is the business of the wrapper.
        Assert.Equal(1, server.Requests);
    }

    [Theory]
    [InlineData("https://s3.eu-west-3.amazonaws.com", null, "eu-west-3")]
    [InlineData("https://s3.eu-west-3.amazonaws.com", "eu-west-1", "eu-west-1")]
    [InlineData("https://s3.company", null, "us-east-1")]
    public void Names_the_region_that_was_asked_when_it_is_the_wrong_one(string endpoint, string? region, string asked)
    {
        S3StoreOptions options = Options(new Uri(endpoint)) with { Region = region };
        var answer = new Amazon.S3.AmazonS3Exception("said on purpose")
        {
            ErrorCode = "AuthorizationHeaderMalformed",
            StatusCode = System.Net.HttpStatusCode.BadRequest,
            RequestId = "1",
        };
        NataliaException error = S3Errors.Translate(answer, options, new S3Route("host", null, false, false), null,
            S3Call.List, false);
        Assert.Equal(ErrorIds.BucketRegionWrong, error.ErrorId);
        Assert.Contains($"'{asked}'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(200, "<html><body>It works!</body></html>")]
    [InlineData(200, "hello")]
    [InlineData(404, "<html><body>Not found</body></html>")]
    [InlineData(400, "The plain HTTP request was sent to HTTPS port")]
    public async Task Knows_a_server_that_does_not_speak_S3(int status, string page)
    {
        using var server = new CannedServer(_ => (status, page));
        Assert.Equal(ErrorIds.StoreEndpointInvalid, (await OpenError(Options(server.Endpoint))).ErrorId);
    }

    [Fact]
    public async Task Says_that_a_connection_was_closed_without_an_answer()
    {
        using var server = new CannedServer(_ => (0, ""));
        Assert.Equal(ErrorIds.StoreUnavailable, (await OpenError(Options(server.Endpoint))).ErrorId);
    }

    [Fact]
    public async Task Trusts_no_unknown_certificate_unless_it_is_pinned()
    {
        using var server = new CannedServer(r => CannedServer.EmptyBucket(r) ?? CannedServer.S3Error(404, "NoSuchKey"),
            tls: true);
        Assert.Equal(ErrorIds.StoreCertificateRefused, (await OpenError(Options(server.Endpoint))).ErrorId);
        Assert.Equal(ErrorIds.StoreCertificateRefused,
            (await OpenError(
                Options(server.Endpoint) with { ServerCertificateThumbprint = new string('0', 64) })).ErrorId);
        using S3Store store =
            await S3Store.OpenAsync(Options(server.Endpoint) with { ServerCertificateThumbprint = server.Thumbprint },
            None);
        Assert.Null(await store.StatAsync("a", None));
    }

    [Theory]
    [InlineData(403, "QuotaExceeded", ErrorIds.StoreFull)]
    [InlineData(507, "XMinioStorageFull", ErrorIds.StoreFull)]
    [InlineData(503, "SlowDown", ErrorIds.StoreThrottled)]
    [InlineData(500, "InternalError", ErrorIds.StoreUnavailable)]
    [InlineData(403, "AccessDenied", ErrorIds.StoreAccessDenied)]
    [InlineData(400, "BadDigest", ErrorIds.StoreWriteFailed)]
    public async Task Has_an_id_for_each_refusal_of_a_put(int status, string code, string id)
    {
        using var server = new CannedServer(r => CannedServer.EmptyBucket(r) ?? CannedServer.S3Error(status, code));
        using S3Store store = await S3Store.OpenAsync(Options(server.Endpoint), None);
        foreach (int size in new[] { 10, 3 << 20 })
        {
            NataliaException error =
                await Assert.ThrowsAsync<NataliaException>(
                    () => store.PutAsync("a/b", new ObjectContent(new byte[size]), PutOptions.Data, None));
            Assert.Equal((id, "s3://b/a/b"), (error.ErrorId, error.Target));
        }
    }

    [Fact]
    public async Task Says_that_an_object_must_be_thawed()
    {
        using var server =
            new CannedServer(r => CannedServer.EmptyBucket(r) ?? CannedServer.S3Error(403, "InvalidObjectState"));
        using S3Store store = await S3Store.OpenAsync(Options(server.Endpoint), None);
        Assert.Equal(ErrorIds.ObjectArchived,
            (await Assert.ThrowsAsync<NataliaException>(() => store.ReadAsync("a", 0, new byte[1], None))).ErrorId);
        Assert.Equal(ErrorIds.ObjectArchived,
            (await Assert.ThrowsAsync<NataliaException>(() => store.OpenReadAsync("a", None))).ErrorId);
    }

    [Fact]
    public async Task Does_not_trust_a_server_that_lists_out_of_order()
    {
        using var server =
            new CannedServer(
                r => r.Contains("max-keys=1") ? CannedServer.EmptyBucket(r)!.Value : r.Contains("list-type=2")
            ? (200, "<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated>"
                + string.Concat(new[] { "b", "a" }
                    .Select(k => $"<Contents><Key>"
                        + $"{k}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>1</Size></Contents>"))
                + "</ListBucketResult>")
            : CannedServer.EmptyBucket(r)!.Value);
        using S3Store store = await S3Store.OpenAsync(Options(server.Endpoint), None);
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(async () =>
        {
            await foreach (StoredObject _ in store.ListAsync("", None)) { }
        });
        Assert.Equal(ErrorIds.StoreAnswerInvalid, error.ErrorId);
    }

    [Fact]
    public async Task Does_not_believe_in_exclusive_create_where_the_server_ignores_the_condition()
    {
        using var server =
            new CannedServer(
                r => r.Contains(".probe-")
                    ? (200, "")
                    : CannedServer.EmptyBucket(r) ?? CannedServer.S3Error(403, "AccessDenied"));
        using S3Store store = await S3Store.OpenAsync(Options(server.Endpoint), None);
        await Assert.ThrowsAsync<NataliaException>(
            () => store.PutAsync("a", new ObjectContent(), PutOptions.Metadata, None));
        Assert.False(store.HasExclusiveCreate);
    }

    [Fact]
    public async Task Refuses_options_that_cannot_be_meant()
    {
        S3StoreOptions good = Options(new Uri("http://127.0.0.1:1"));
        foreach (S3StoreOptions bad in new[] { good with { SecretKey = null }, good with { AccessKey = null }, good
            with { Prefix = "a//b" }, good with { ServerCertificateThumbprint = "12" },
            good with { StallTimeout = TimeSpan.Zero } })
            await Assert.ThrowsAsync<ArgumentException>(() => S3Store.OpenAsync(bad, None));
        Assert.DoesNotContain("the-secret", good.ToString(), StringComparison.Ordinal);
    }
}
