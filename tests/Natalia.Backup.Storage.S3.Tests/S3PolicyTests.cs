using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>
/// Keys with no more rights than they need, by policies of users on the real server, taken word for word from
/// docs/stores.md.
/// </summary>
public sealed class S3PolicyTests : IDisposable
{
    private readonly ScriptFixture _fixture = new();

    public static string? Obstacle => CephServer.Obstacle;
    private static CancellationToken None => CancellationToken.None;

    public void Dispose() => _fixture.Dispose();

    private static string Documented(string bucket) =>
        Regex.Match(File.ReadAllText(Path.Combine(BuildLayout.RepositoryRoot, "docs", "stores.md")),
            "```json\n(.*?)```", RegexOptions.Singleline).Groups[1].Value.Replace("natalia-backup", bucket);

    /// <summary>The documented policy without some rights.</summary>
    private static string Without(string bucket, params string[] rights)
    {
        JsonNode policy = JsonNode.Parse(Documented(bucket))!;
        foreach (JsonNode? statement in policy["Statement"]!.AsArray())
        {
            JsonArray actions = statement!["Action"]!.AsArray();
            foreach (JsonNode? action in actions.Where(a => rights.Contains(a!.GetValue<string>())).ToArray())
                actions.Remove(action);
        }
        foreach (JsonNode? empty in policy["Statement"]!.AsArray().Where(s => s!["Action"]!.AsArray().Count == 0)
            .ToArray())
            policy["Statement"]!.AsArray().Remove(empty);
        return policy.ToJsonString();
    }

    [StoreTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_key_with_the_documented_policy_does_all_that_a_repository_needs(bool immutable)
    {
        string bucket = await CephServer.Running.MakeBucketAsync(objectLock: immutable);
        (string user, string accessKey, string secretKey) = await CephServer.Running.MakeUserAsync();
        await CephServer.Running.PutUserPolicyAsync(user, Documented(bucket));
        string folder = _fixture.AddAppliance("natalia-lyon", 1 << 20, 1);
        RunnerProcess.Result run = await _fixture.RunAsync("""
            param($Bucket, $Endpoint, $User, $Secret, $Vms, $Out, $Immutable)
            $limited = [pscredential]::new($User, [Net.NetworkCredential]::new('', $Secret).SecurePassword)
            $where = @{ Bucket = $Bucket; Endpoint = $Endpoint; Prefix = 'natalia'; Credential = $limited; Unencrypted = $true }
            $locks = if ($Immutable -eq 'True') { @{ ImmutableDays = 1 } } else { @{} }
            $null = Connect-NataliaHypervisor -Folder $Vms
            $null = New-NataliaRepository -Name one @where @locks
            $first = Get-NataliaAppliance -Name * | Invoke-NataliaBackup
            $second = Get-NataliaAppliance -Name * | Invoke-NataliaBackup
            Disconnect-NataliaRepository one
            $null = Connect-NataliaRepository -Name one @where
            "points $(@(Get-NataliaRestorePoint).Count)"
            "disk $(($second | Export-NataliaDisk -Destination $Out).Path.Length -gt 0)"
            Test-NataliaRepository -Full | Where-Object Result -eq Failed | ForEach-Object { "failed $($_.Name) $($_.Detail)" }
            if ($Immutable -ne 'True') { $first | Remove-NataliaRestorePoint -Reason test -Confirm:$false | Out-Null }
            $null = Optimize-NataliaRepository
            "points $(@(Get-NataliaRestorePoint).Count)"
            """, bucket, CephServer.Running.Endpoint.AbsoluteUri, accessKey, secretKey, folder,
            Directory.CreateDirectory(_fixture.Path("out")).FullName, $"{immutable}");
        Assert.True(run.ExitCode == 0, run.Error + run.Output);
        Assert.Equal(["points 2", "disk True", immutable ? "points 2" : "points 1"], run.Lines);
        Assert.All((await CephServer.Running.Admin.ListVersionsAsync(bucket)).Versions,
            v => Assert.StartsWith("natalia/", v.Key, StringComparison.Ordinal));
    }

    public static TheoryData<string, bool, string> Rights => new()
    {
        { "s3:ListBucket", false, "arn:aws:s3:::{0} for the s3:prefix 'natalia/'" },
        { "s3:GetBucketVersioning", false, "arn:aws:s3:::{0}" },
        { "s3:GetObject", false, "arn:aws:s3:::{0}/natalia/a" },
        { "s3:PutObject", false, "arn:aws:s3:::{0}/natalia/" },
        { "s3:DeleteObject", false, "arn:aws:s3:::{0}/natalia/a" },
        { "s3:ListBucketVersions", true, "arn:aws:s3:::{0} for the s3:prefix 'natalia/a'" },
        { "s3:GetBucketObjectLockConfiguration", true, "arn:aws:s3:::{0}" },
        { "s3:GetObjectVersion", true, "arn:aws:s3:::{0}/natalia/a" },
        { "s3:DeleteObjectVersion", true, "arn:aws:s3:::{0}/natalia/a" },
        { "s3:PutObjectRetention", true, "arn:aws:s3:::{0}/natalia/a" },
    };

    [StoreTheory]
    [MemberData(nameof(Rights))]
    public async Task A_refusal_names_the_right_that_is_missing_and_on_what(string right, bool locks, string resource)
    {
        string bucket = await CephServer.Running.MakeBucketAsync(objectLock: locks);
        (string user, string accessKey, string secretKey) = await CephServer.Running.MakeUserAsync();
        await CephServer.Running.PutUserPolicyAsync(user, Without(bucket, right));
        await CephServer.Running.Admin.PutObjectAsync(new()
        {
            BucketName = bucket,
            Key = "natalia/a",
            ContentBody = "x",
            UseChunkEncoding = false,
        });
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(async () =>
        {
            using S3Store store = await S3Store.OpenAsync(TestOptions.For(bucket) with
            {
                Prefix = "natalia",
                AccessKey = accessKey,
                SecretKey = CephServer.Secret(secretKey),
                LockMode = locks ? ObjectLockMode.Governance : null,
            }, None);
            await store.ReadAsync("a", 0, new byte[1], None);
            await store.PutAsync("b", new ObjectContent(new byte[1]), PutOptions.Metadata, None);
            if (right == "s3:PutObjectRetention")
                await store.ObjectLock!.ExtendAsync("a", DateTime.UtcNow.AddMinutes(1), None);
            await store.DeleteAsync("a", None);
        });
        Assert.Equal(ErrorIds.StoreAccessDenied, error.ErrorId);
        Assert.Contains($" {right} on {string.Format(resource, bucket)}",
            error.Message.Replace("natalia/b", "natalia/a"), StringComparison.Ordinal);
        Assert.Contains(right, error.RecommendedAction, StringComparison.Ordinal);
    }

    [StoreTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_object_that_is_not_there_is_absent_and_not_forbidden(bool locks)
    {
        string bucket = await CephServer.Running.MakeBucketAsync(objectLock: locks);
        (string user, string accessKey, string secretKey) = await CephServer.Running.MakeUserAsync();
        // A key that only reads.
        await CephServer.Running.PutUserPolicyAsync(user,
            Without(bucket, "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectRetention"));
        using S3Store store = await S3Store.OpenAsync(TestOptions.For(bucket) with
        {
            Prefix = "natalia",
            AccessKey = accessKey,
            SecretKey = CephServer.Secret(secretKey),
        }, None);
        Assert.Null(await store.StatAsync("natalia.json", None));
        Assert.Equal(ErrorIds.ObjectNotFound,
            (await Assert.ThrowsAsync<NataliaException>(
                () => store.ReadAsync("natalia.json", 0, new byte[1], None))).ErrorId);
        Assert.Equal(ErrorIds.ObjectNotFound,
            (await Assert.ThrowsAsync<NataliaException>(() => store.OpenReadAsync("natalia.json", None))).ErrorId);
    }
}
