using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>What connecting a repository in a bucket costs, through the cmdlets.</summary>
public sealed class S3ConnectTests : IDisposable
{
    private readonly ScriptFixture _fixture = new();
    private readonly ArchiveSimulator _server = new();

    public void Dispose()
    {
        _server.Dispose();
        _fixture.Dispose();
    }

    private async Task RunAsync(string script)
    {
        RunnerProcess.Result run = await _fixture.RunAsync("""
            param($Bucket, $Endpoint)
            $where = @{ Bucket = $Bucket; Endpoint = $Endpoint; Credential = $key; Unencrypted = $true }

            """ + script, ArchiveSimulator.Bucket, _server.Endpoint.AbsoluteUri);
        Assert.True(run.ExitCode == 0, run.Error + run.Output);
    }

    /// <summary>A bucket's owner pays for each request, and a server far away makes each of them felt.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("-StorageClass GLACIER")]
    public async Task A_bucket_is_connected_once(string made)
    {
        await RunAsync($"$null = New-NataliaRepository -Name made @where {made}");
        int before = _server.Log.Length;
        await RunAsync("$null = Connect-NataliaRepository -Name one @where");
        string[] asked = _server.Log[before..];
        // The bucket: that it is there, and whether it keeps versions. Then what the repository says of itself, each
        // once.
        Assert.Equal(["GET key", "GET settings", "LIST keys/", "LIST log/", "LOOK", "VERSIONING"],
            asked.Where(a => !a.StartsWith("GET log/", StringComparison.Ordinal))
            .Select(Shorten).Order(StringComparer.Ordinal));
        Assert.Equal(made.Length > 0 ? 1 : 0, asked.Count(a => a.StartsWith("GET log/", StringComparison.Ordinal)));
    }

    private static string Shorten(string asked) => asked == "GET natalia.json" ? "GET settings"
        : asked.StartsWith("GET keys/", StringComparison.Ordinal) ? "GET key" : asked;
}
