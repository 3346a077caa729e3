using Amazon.S3.Model;
using Natalia.Backup.Engine;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>
/// What a user gets wrong about a bucket, through the cmdlets: an id of its own for each, no secret in the text, and
/// nothing half-made left behind.
/// </summary>
public sealed class S3BadInputTests : IDisposable
{
    private readonly ScriptFixture _fixture = new();

    public static string? Obstacle => CephServer.Obstacle;

    public void Dispose() => _fixture.Dispose();

    private const string Script = """
        param($Verb, $Cases)
        $wrong = [pscredential]::new($env:NATALIA_TEST_KEY, [Net.NetworkCredential]::new('', 'wrong-secret-7').SecurePassword)
        $nobody = [pscredential]::new('nobody', $secure)
        foreach ($case in $Cases.Split(';')) {
            $name, $bucket, $endpoint, $more = $case.Split(',')
            $parameters = @{ Bucket = $bucket; Credential = $key; Unencrypted = $true }
            if ($endpoint) { $parameters.Endpoint = $endpoint }
            if ($more -eq 'wrong') { $parameters.Credential = $wrong }
            if ($more -eq 'nobody') { $parameters.Credential = $nobody }
            if ($more -eq 'lock') { $parameters.ImmutableDays = 3 }
            if ($more -eq 'kept') { $parameters.ImmutableWhileKept = $true }
            try { $null = & "$Verb-NataliaRepository" @parameters; "$name none" }
            catch { "$name $($_.FullyQualifiedErrorId.Split(',')[0]) $($_.CategoryInfo.Category) $([bool] $_.ErrorDetails.RecommendedAction) $_" }
        }
        "sessions $(@(Get-NataliaRepository).Count)"
        """;

    [StoreTheory]
    [InlineData("New")]
    [InlineData("Connect")]
    public async Task Every_mistake_has_an_id_and_leaves_nothing_behind(string verb)
    {
        string plain = await CephServer.Running.MakeBucketAsync(),
            locked = await CephServer.Running.MakeBucketAsync(objectLock: true);
        string real = CephServer.Running.Endpoint.AbsoluteUri;
        using var region =
            new CannedServer(
                _ => CannedServer.S3Error(400, "AuthorizationHeaderMalformed",
                    "the region 'us-east-1' is wrong; expecting 'eu-west-3'"));
        using var clock =
            new CannedServer(
                _ => CannedServer.S3Error(403, "RequestTimeTooSkewed",
                    "The difference between the request time and the server's time is too large."));
        using var console = new CannedServer(_ => (200, "<html><body>Welcome to the console</body></html>"));
        using var untrusted =
            new CannedServer(r => CannedServer.EmptyBucket(r) ?? CannedServer.S3Error(404, "NoSuchKey"),
            tls: true);
        var closed = new CannedServer(_ => (200, ""));
        closed.Dispose();
        var cases = new List<(string Name, string Bucket, string Endpoint, string More, string Id)>
        {
            ("wrong-secret", plain, real, "wrong", ErrorIds.StoreCredentialRefused),
            ("unknown-key", plain, real, "nobody", ErrorIds.StoreCredentialRefused),
            ("no-bucket", "no-such-bucket", real, "", ErrorIds.BucketNotFound),
            ("wrong-region", "b", region.Endpoint.AbsoluteUri, "", ErrorIds.BucketRegionWrong),
            ("clock", "b", clock.Endpoint.AbsoluteUri, "", ErrorIds.StoreClockSkewed),
            ("tls-untrusted", "b", untrusted.Endpoint.AbsoluteUri, "", ErrorIds.StoreCertificateRefused),
            ("tls-plain", plain, real.Replace("http:", "https:"), "", ErrorIds.StoreCertificateRefused),
            ("typo-host", plain, "https://s3.no-such-host.invalid", "", ErrorIds.StoreEndpointNotFound),
            ("typo-port", plain, closed.Endpoint.AbsoluteUri, "", ErrorIds.StoreUnavailable),
            ("console", plain, console.Endpoint.AbsoluteUri, "", ErrorIds.StoreEndpointInvalid),
            ("scheme", plain, "ftp://127.0.0.1", "", ErrorIds.StoreEndpointInvalid),
        };
        if (verb == "New")
        {
            cases.Add(("no-lock", plain, real, "lock", ErrorIds.BucketWithoutObjectLock));
            cases.Add(("no-lock-kept", plain, real, "kept", ErrorIds.BucketWithoutObjectLock));
        }
        else
        {
            cases.Add(("nothing-there", locked, real, "", ErrorIds.RepositoryNotFound));
        }

        RunnerProcess.Result run = await _fixture.RunAsync(Script, verb,
            string.Join(';', cases.Select(c => $"{c.Name},{c.Bucket},{c.Endpoint},{c.More}")));

        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Equal(cases.Select(c => $"{c.Name} {c.Id}"),
            run.Lines.SkipLast(1).Select(l => string.Join(' ', l.Split(' ')[..2])));
        // Each says what to do, and none is a mere failure.
        Assert.All(run.Lines.SkipLast(1), l => Assert.Equal("True", l.Split(' ')[3]));
        Assert.DoesNotContain(run.Lines, l => l.Contains("NotSpecified", StringComparison.Ordinal));
        Assert.Equal("sessions 0", run.Lines[^1]);
        Assert.DoesNotContain(CephServer.SecretKey, run.Output + run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong-secret-7", run.Output + run.Error, StringComparison.Ordinal);
        foreach (string bucket in new[] { plain, locked })
        {
            ListVersionsResponse left =
                await CephServer.Running.Admin.ListVersionsAsync(new ListVersionsRequest { BucketName = bucket });
            Assert.Empty(left.Versions ?? []);
            Assert.Empty(
                (await CephServer.Running.Admin.ListMultipartUploadsAsync(
                    new ListMultipartUploadsRequest { BucketName = bucket })).MultipartUploads
                ?? []);
        }
    }

    [StoreFact]
    public async Task A_disk_is_thawed_and_exported_through_the_cmdlets()
    {
        using var archive = new ArchiveSimulator();
        string folder = _fixture.AddAppliance("natalia-lyon", 2 << 20, 1);
        RunnerProcess.Result run = await _fixture.RunAsync("""
            param($Bucket, $Endpoint, $Vms, $Out)
            $null = Connect-NataliaHypervisor -Folder $Vms
            $null = New-NataliaRepository -Bucket $Bucket -Endpoint $Endpoint -Credential $key -Unencrypted -StorageClass DEEP_ARCHIVE -Name one
            Disconnect-NataliaRepository one
            $null = Connect-NataliaRepository -Bucket $Bucket -Endpoint $Endpoint -Credential $key -Unencrypted
            $point = Invoke-NataliaBackup natalia-lyon
            try { $point | Export-NataliaDisk -Destination $Out } catch { "error $($_.FullyQualifiedErrorId.Split(',')[0])" }
            $point | Export-NataliaDisk -Destination $Out -Thaw -WhatIf
            $status = $point | Export-NataliaDisk -Destination $Out -Thaw -ThawDays 2 -WarningAction SilentlyContinue
            "status $($status.GetType().Name) $($status.Objects) $($status.ThawingObjects) $($status.Days) $([bool] $status.ExpectedUtc)"
            "files $([IO.Directory]::GetFiles($Out).Count)"
            """, ArchiveSimulator.Bucket, archive.Endpoint.AbsoluteUri, folder,
            Directory.CreateDirectory(_fixture.Path("out")).FullName);
        Assert.True(run.ExitCode == 0, run.Error + run.Output);
        Assert.Contains("error RestorePointArchived", run.Lines);
        Assert.Contains("status ThawStatus 1 1 2 True", run.Lines);
        Assert.Contains("files 0", run.Lines);
        Assert.Single(archive.Log, l => l.Contains("?restore"));
        archive.FinishThaws();
        RunnerProcess.Result later = await _fixture.RunAsync("""
            param($Bucket, $Endpoint, $Out)
            $null = Connect-NataliaRepository -Bucket $Bucket -Endpoint $Endpoint -Credential $key -Unencrypted
            (Get-NataliaRestorePoint | Export-NataliaDisk -Destination $Out -Thaw).Path
            """, ArchiveSimulator.Bucket, archive.Endpoint.AbsoluteUri, _fixture.Path("out"));
        Assert.Equal(File.ReadAllBytes(Path.Combine(folder, "natalia-lyon", "data.raw")),
            File.ReadAllBytes(Assert.Single(later.Lines)));
    }
}
