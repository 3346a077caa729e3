using System.Net.Sockets;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>
/// Where requests name the bucket: in the path or in the host. The real server knows its name and takes any other for a
/// bucket's.
/// </summary>
public sealed class S3AddressingTests : IDisposable
{
    private readonly ScriptFixture _fixture = new();

    public static string? Obstacle => CephServer.Obstacle;
    private static CancellationToken None => CancellationToken.None;
    private static int Port => CephServer.Running.Endpoint.Port;

    public void Dispose() => _fixture.Dispose();

    private static S3StoreOptions Named(string bucket, string host, S3AddressingStyle style, List<string> asked) =>
        TestOptions.For(bucket) with
        {
            Endpoint = new Uri($"http://{host}"),
            AddressingStyle = style,
            Connect = async (name, _, stop) =>
            {
                lock (asked) asked.Add(name);
                if (!name.EndsWith("natalia.test", StringComparison.Ordinal))
                    throw new SocketException((int)SocketError.HostNotFound);
                var client = new TcpClient();
                await client.ConnectAsync("127.0.0.1", Port, stop);
                return client.GetStream();
            },
        };

    [StoreTheory]
    [InlineData("s3.natalia.test", S3AddressingStyle.Virtual, S3AddressingStyle.Virtual, "{0}.s3.natalia.test")]
    [InlineData("s3.natalia.test", S3AddressingStyle.Path, S3AddressingStyle.Path, "s3.natalia.test")]
    [InlineData("s3.natalia.test", S3AddressingStyle.Auto, S3AddressingStyle.Path, "s3.natalia.test")]
    // The bucket stands in the endpoint: in the host, in the path.
    [InlineData("{0}.s3.natalia.test", S3AddressingStyle.Auto, S3AddressingStyle.Virtual, "{0}.s3.natalia.test")]
    [InlineData("{0}.s3.natalia.test", S3AddressingStyle.Virtual, S3AddressingStyle.Virtual, "{0}.s3.natalia.test")]
    [InlineData("s3.natalia.test/{0}", S3AddressingStyle.Auto, S3AddressingStyle.Path, "s3.natalia.test")]
    [InlineData("s3.natalia.test/{0}/", S3AddressingStyle.Virtual, S3AddressingStyle.Virtual, "{0}.s3.natalia.test")]
    public async Task A_bucket_is_found_in_the_path_and_in_the_host(string host, S3AddressingStyle style,
        S3AddressingStyle found, string asked)
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        var hosts = new List<string>();
        using S3Store store =
            await S3Store.OpenAsync(Named(bucket, string.Format(host, bucket), style, hosts) with { Prefix = "p" },
            None);
        Assert.Equal((found, string.Format(asked, bucket)), (store.AddressingStyle, hosts[^1]));
        await store.PutAsync("a/ü".Replace('ü', 'u'), new ObjectContent(new byte[] { 1, 2 }), PutOptions.Metadata,
            None);
        Assert.Equal("p/a/u",
            Assert.Single(
                (await CephServer.Running.Admin.ListObjectsV2Async(new() { BucketName = bucket })).S3Objects).Key);
        byte[] there = new byte[2];
        Assert.Equal(2, await store.ReadAsync("a/u", 0, there, None));
        Assert.Equal([1, 2], there);
        await store.DeleteAsync("a/u", None);
    }

    [StoreTheory]
    [InlineData(S3AddressingStyle.Auto)]
    [InlineData(S3AddressingStyle.Virtual)]
    public async Task A_name_with_dots_works_in_the_host_too(S3AddressingStyle style)
    {
        string bucket = $"dotted.name.{Guid.NewGuid():n}"[..40];
        await CephServer.Running.Admin.PutBucketAsync(bucket);
        using S3Store store = await S3Store.OpenAsync(Named(bucket, "s3.natalia.test", style, []), None);
        await store.PutAsync("a", new ObjectContent(new byte[] { 1 }), PutOptions.Metadata, None);
        Assert.NotNull(await store.StatAsync("a", None));
    }

    [StoreFact]
    public async Task A_server_that_refuses_the_path_is_asked_by_host_and_that_is_remembered()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        var hosts = new List<string>();
        // Ceph takes a name that is not its own for a bucket's, and so refuses the path.
        S3StoreOptions options = Named(bucket, "other.natalia.test", S3AddressingStyle.Auto, hosts);
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => S3Store.OpenAsync(options, None));
        Assert.Equal(ErrorIds.BucketNotFound, error.ErrorId);
        Assert.Equal(["other.natalia.test", bucket + ".other.natalia.test"], hosts.Distinct());
        using var proxy =
            new ForwardProxy(
                host => host.StartsWith(bucket, StringComparison.Ordinal)
                    ? CephServer.Running.Endpoint
                    : new Uri(_refusing.Value.Endpoint.AbsoluteUri));
        RunnerProcess.Result run = await _fixture.RunAsync("""
            param($Bucket, $Proxy, $Profile)
            $env:HTTP_PROXY = $Proxy
            $null = New-NataliaRepository -Name one -Bucket $Bucket -Endpoint http://s3.natalia.test -Credential $key -Unencrypted
            Export-NataliaProfile -Path $Profile -SecretName @{ one = 'key' } | Out-Null
            Disconnect-NataliaRepository one
            Import-NataliaProfile $Profile -SecretResolver { $key } | ForEach-Object Location
            (Test-NataliaRepository | Where-Object Result -eq Failed).Count
            """, bucket, proxy.Address, _fixture.Path("profile.json"));
        Assert.True(run.ExitCode == 0, run.Error + run.Output);
        Assert.Contains("\"addressingStyle\": \"Virtual\"", File.ReadAllText(_fixture.Path("profile.json")),
            StringComparison.Ordinal);
        Assert.Single(proxy.Asked, a => a.StartsWith("s3.", StringComparison.Ordinal));
    }

    private readonly Lazy<CannedServer> _refusing =
        new(() =>
            new CannedServer(
                _ => CannedServer.S3Error(403, "SecondLevelDomainForbidden",
                    "The bucket you are attempting to access must be addressed using OSS third level domain.")));

    [StoreFact]
    public async Task A_name_that_is_not_in_the_name_service_says_what_to_do()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        NataliaException error =
            await Assert.ThrowsAsync<NataliaException>(
                () => S3Store.OpenAsync(Named(bucket, "s3.natalia.invalid", S3AddressingStyle.Virtual, []), None));
        Assert.Equal(ErrorIds.StoreEndpointNotFound, error.ErrorId);
        Assert.Contains("-AddressingStyle Path", error.RecommendedAction, StringComparison.Ordinal);
    }

    [StoreTheory]
    // The host names one bucket, the parameter another; the path names a bucket and more; a style says what cannot be.
    [InlineData("first.s3.natalia.test", "Auto", "second", "name a bucket already")]
    [InlineData("s3.natalia.test/first", "Auto", "second", "name a bucket already")]
    [InlineData("s3.natalia.test/second/some/where", "Auto", "second", "-Prefix 'some/where'")]
    [InlineData("first.s3.natalia.test", "Path", "first", "name a bucket already")]
    [InlineData("127.0.0.1:{1}", "Virtual", "second", "is an address")]
    [InlineData("s3.natalia.test?list-type=2", "Auto", "second", "behind a '?'")]
    public async Task An_endpoint_that_names_something_else_is_refused_and_nothing_is_made(string host, string style,
        string which, string said)
    {
        var buckets = new Dictionary<string, string>
        {
            ["first"] = await CephServer.Running.MakeBucketAsync(),
            ["second"] = await CephServer.Running.MakeBucketAsync(),
        };
        host = host.Replace("first", buckets["first"]).Replace("second", buckets["second"])
            .Replace("{1}", Port.ToString());
        using var proxy = new ForwardProxy(_ => CephServer.Running.Endpoint);
        RunnerProcess.Result run = await _fixture.RunAsync("""
            param($Bucket, $Endpoint, $Style, $Proxy)
            $env:HTTP_PROXY = $Proxy
            foreach ($verb in 'New', 'Connect') {
                try { $null = & "$verb-NataliaRepository" -Bucket $Bucket -Endpoint $Endpoint -AddressingStyle $Style -Credential $key -Unencrypted; 'made' }
                catch { "$($_.FullyQualifiedErrorId.Split(',')[0]) $_ $($_.ErrorDetails.RecommendedAction)" }
            }
            """, buckets[which], "http://" + host, style, proxy.Address);
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Equal(2, run.Lines.Length);
        Assert.All(run.Lines, l => Assert.StartsWith(ErrorIds.StoreEndpointInvalid, l, StringComparison.Ordinal));
        Assert.All(run.Lines, l => Assert.Contains(said, l, StringComparison.Ordinal));
        foreach (string bucket in buckets.Values)
            Assert.Empty((await CephServer.Running.Admin.ListObjectsV2Async(new() { BucketName = bucket })).S3Objects
                ?? []);
    }

    [Theory]
    [InlineData("https://s3.eu-west-3.amazonaws.com", "b", "https://b.s3.eu-west-3.amazonaws.com")]
    [InlineData("https://b.s3.eu-west-3.amazonaws.com", "b", "https://b.s3.eu-west-3.amazonaws.com")]
    [InlineData("https://s3.eu-west-3.amazonaws.com", "b.c", "https://s3.eu-west-3.amazonaws.com/b.c")]
    [InlineData("https://192.168.1.9:9000", "b", "https://192.168.1.9:9000/b")]
    [InlineData("https://[::1]:9000", "b", "https://[::1]:9000/b")]
    [InlineData("http://localhost:9000", "b", "http://localhost:9000/b")]
    [InlineData("https://minio.company", "Old_Name", "https://minio.company/Old_Name")]
    [InlineData("https://minio.company", "b", "https://minio.company/b https://b.minio.company")]
    [InlineData("https://b.company", "b", "https://b.company/b https://b.company")]
    [InlineData("https://project.company/storage/s3", "b",
        "https://project.company/storage/s3/b https://b.project.company/storage/s3")]
    [InlineData("https://project.company/storage/b/", "b",
        "https://project.company/storage/b https://b.project.company/storage")]
    public void The_ways_to_a_bucket_follow_from_its_name_and_the_endpoint(string endpoint, string bucket,
        string ways) =>
        Assert.Equal(ways,
            string.Join(' ',
                S3Address.Candidates(new S3StoreOptions { Bucket = bucket, Endpoint = new Uri(endpoint) })
                    .Select(a => a.Url)));

    [Theory]
    [InlineData("https://s3.eu-west-3.amazonaws.com", "eu-west-3")]
    [InlineData("https://b.s3.dualstack.eu-west-3.amazonaws.com", "eu-west-3")]
    [InlineData("https://s3-eu-west-1.amazonaws.com", "eu-west-1")]
    [InlineData("https://s3.cn-north-1.amazonaws.com.cn", "cn-north-1")]
    [InlineData("https://s3-fips.us-east-1.amazonaws.com", "us-east-1")]
    [InlineData("https://b.s3-fips.dualstack.us-west-2.amazonaws.com", "us-west-2")]
    [InlineData("https://s3-fips-us-gov-west-1.amazonaws.com", "us-gov-west-1")]
    [InlineData("https://s3-accelerate.amazonaws.com", null)]
    [InlineData("https://s3-accelerate.dualstack.amazonaws.com", null)]
    [InlineData("https://s3-external-1.amazonaws.com", null)]
    [InlineData("https://s3.amazonaws.com", null)]
    [InlineData("https://s3.company", null)]
    public void An_endpoint_of_AWS_tells_its_region(string endpoint, string? region) =>
        Assert.Equal(region, S3Address.AwsRegion(new Uri(endpoint)));
}
