using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Network;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>Behind a company's proxy, through the cmdlets.</summary>
public sealed class S3ProxyTests : IDisposable
{
    private readonly ScriptFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    /// <summary>Sets a proxy, connects, and tells how it went.</summary>
    private const string Script = """
        param($Endpoint, $Proxy, $Exempt, $Pin)
        $env:HTTP_PROXY = $env:HTTPS_PROXY = $Proxy
        $env:NO_PROXY = $Exempt
        $p = @{ Bucket = 'b'; Endpoint = $Endpoint; Credential = $key; Unencrypted = $true }
        if ($Pin) { $p.ServerCertificateThumbprint = $Pin }
        try { $null = Connect-NataliaRepository @p; 'none' }
        catch { "$($_.FullyQualifiedErrorId.Split(',')[0]) $($_.CategoryInfo.Category) $_ $($_.ErrorDetails.RecommendedAction) $($_.Exception)" }
        """;

    private async Task<string> RunAsync(string endpoint, string proxy, string exempt = "none.test", string pin = "")
    {
        RunnerProcess.Result run = await _fixture.RunAsync(Script, endpoint, proxy, exempt, pin);
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.DoesNotContain("pass:word", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("pass%3Aword", run.Output, StringComparison.Ordinal);
        return run.Output;
    }

    private static CannedServer Empty(bool tls = false) =>
        new(r => CannedServer.EmptyBucket(r) ?? CannedServer.S3Error(404, "NoSuchKey"), tls);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_proxy_with_a_login_is_used_with_it(bool tls)
    {
        using CannedServer server = Empty(tls);
        using var proxy = new ForwardProxy(_ => server.Endpoint, "us er:pass:word");
        string said = await RunAsync($"{(tls ? "https" : "http")}://s3.company.test",
            $"http://us%20er:pass%3Aword@127.0.0.1:{proxy.Port}", pin: tls ? server.Thumbprint : "");
        // There is no repository, and that is what the server said.
        Assert.StartsWith(ErrorIds.RepositoryNotFound, said, StringComparison.Ordinal);
        Assert.All(proxy.Asked, a => Assert.StartsWith("s3.company.test", a, StringComparison.Ordinal));
        // Each tunnel asks once before it logs in; plain requests bring the login along.
        Assert.InRange(proxy.Refused, 0, tls ? proxy.Asked.Count / 2 : 0);
    }

    [Theory]
    [InlineData(false, "")]
    [InlineData(true, "")]
    [InlineData(false, "us%20er:wrong@")]
    [InlineData(true, "us%20er:wrong@")]
    public async Task A_proxy_that_wants_a_login_is_named_as_the_one_who_refuses(bool tls, string login)
    {
        using CannedServer server = Empty(tls);
        using var proxy = new ForwardProxy(_ => server.Endpoint, "us er:pass:word");
        string said = await RunAsync($"{(tls ? "https" : "http")}://s3.company.test",
            $"http://{login}127.0.0.1:{proxy.Port}", pin: tls ? server.Thumbprint : "");
        Assert.StartsWith($"{ErrorIds.ProxyAuthenticationFailed} AuthenticationError The proxy 127.0.0.1:{proxy.Port} "
            + "to s3.company.test wants a login",
            said, StringComparison.Ordinal);
        Assert.Contains("http://user:password@proxy:port", said, StringComparison.Ordinal);
        Assert.Equal(0, server.Requests);
        Assert.DoesNotContain("wrong", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_in_no_proxy_is_asked_directly()
    {
        using CannedServer server = Empty();
        using var proxy = new ForwardProxy(_ => server.Endpoint);
        Assert.StartsWith(ErrorIds.RepositoryNotFound,
            await RunAsync(server.Endpoint.AbsoluteUri, proxy.Address, "company.test, 127.0.0.0/8"),
            StringComparison.Ordinal);
        Assert.Empty(proxy.Asked);
    }

    [Fact]
    public async Task A_proxy_that_is_away_or_refuses_the_way_is_named()
    {
        using CannedServer server = Empty(tls: true);
        using var refusing = new ForwardProxy(_ => null);
        string refused = await RunAsync("https://s3.company.test", refusing.Address);
        Assert.StartsWith($"{ErrorIds.StoreUnavailable} ConnectionError The proxy 127.0.0.1:{refusing.Port} does not "
            + "open the way to s3.company.test",
            refused, StringComparison.Ordinal);
        refusing.Dispose();
        Assert.Contains($"The proxy 127.0.0.1:{refusing.Port} on the way to s3.company.test cannot be reached",
            await RunAsync("https://s3.company.test", refusing.Address), StringComparison.Ordinal);
        string odd = await RunAsync("https://s3.company.test", "http://us er:pass:word@:x");
        Assert.StartsWith(ErrorIds.ProxyInvalid, odd, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://s3.company.test", "HTTPS_PROXY=http://p:1", "http://p:1/")]
    [InlineData("https://s3.company.test", "https_proxy=p:1;HTTPS_PROXY=http://q:1", "http://p:1/")]
    [InlineData("https://s3.company.test", "HTTP_PROXY=http://p:1", null)]
    [InlineData("http://s3.company.test", "HTTP_PROXY=http://p:1", "http://p:1/")]
    [InlineData("http://s3.company.test", "HTTP_PROXY=http://p:1;REQUEST_METHOD=GET", null)]
    [InlineData("https://s3.company.test", "ALL_PROXY=socks5://p:1", "socks5://p:1/")]
    [InlineData("https://s3.company.test", "ALL_PROXY=p:1;NO_PROXY=company.test", null)]
    [InlineData("https://s3.company.test", "ALL_PROXY=p:1;NO_PROXY=.company.test", null)]
    [InlineData("https://s3.company.test", "ALL_PROXY=p:1;no_proxy=*.company.test", null)]
    [InlineData("https://s3.company.test", "ALL_PROXY=p:1;NO_PROXY=any.test,pany.test", "http://p:1/")]
    [InlineData("https://s3.company.test:9000", "ALL_PROXY=p:1;NO_PROXY=s3.company.test:9001", "http://p:1/")]
    [InlineData("https://s3.company.test:9000", "ALL_PROXY=p:1;NO_PROXY=s3.company.test:9000", null)]
    [InlineData("https://10.1.2.3", "ALL_PROXY=p:1;NO_PROXY=10.0.0.0/8", null)]
    [InlineData("https://11.1.2.3", "ALL_PROXY=p:1;NO_PROXY=10.0.0.0/8", "http://p:1/")]
    [InlineData("https://[fd00::1]", "ALL_PROXY=p:1;NO_PROXY=fd00::/8", null)]
    [InlineData("https://s3.company.test", "ALL_PROXY=p:1;NO_PROXY=*", null)]
    public void The_environment_is_read_as_curl_reads_it(string server, string variables, string? proxy)
    {
        Dictionary<string, string> values = variables.Split(';').Select(v => v.Split('=', 2))
            .ToDictionary(v => v[0], v => v[1]);
        Assert.Equal(proxy, NetworkProxy.From(values.GetValueOrDefault).GetProxy(new Uri(server))?.AbsoluteUri);
    }
}
