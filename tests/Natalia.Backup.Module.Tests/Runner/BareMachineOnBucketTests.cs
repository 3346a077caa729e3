using System.Management.Automation;
using System.Text.RegularExpressions;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Runner;

/// <summary>
/// The night in which only a bucket, its access key and the repository's password are left, as docs/troubleshooting.md
/// walks through it: a real Ceph gateway with Object Lock.
/// </summary>
public sealed class BareMachineOnBucketTests
{
    private const string Prefix = "natalia";

    [BucketFact]
    public async Task The_newest_point_is_restored_although_the_key_was_stolen_and_each_slip_is_told()
    {
        CephServer server = CephServer.Running;
        string bucket = await server.MakeBucketAsync(objectLock: true), empty = await server.MakeBucketAsync();
        using var machine = new BareMachine(
            "New-NataliaRepository -Bucket $args[2] -Endpoint $args[3] -Credential $args[4] -Name nas "
            + $"-Password $args[0] -Prefix {Prefix} -ImmutableDays 1", bucket, server.Endpoint,
            new PSCredential(CephServer.AccessKey, CephServer.Secret(CephServer.SecretKey)));
        // Who has stolen the key deletes what can be deleted: everything, as the bucket's own list shows it.
        foreach (string key in await server.ListAsync(bucket)) await server.DeleteAsync(bucket, key);
        Assert.Empty(await server.ListAsync(bucket));

        string open = BareMachine.OpenBucket(bucket, server.Endpoint, CephServer.AccessKey, CephServer.SecretKey);
        machine.EverythingIsBack(await machine.RunAsync(machine.Walk(open, $" -Prefix {Prefix}")));

        // Everything that is easily mistaken at night, each with its id and what to do.
        string password = " " + BareMachine.PasswordArgument, right = $" -Prefix {Prefix}{password}";
        string without = Regex.Replace(open, " -Credential .*$", "");
        (string Line, string Id, string Cure)[] slips =
        [
            (open + password, "NotARepository", $"s3://{bucket}/{Prefix}"),
            (Bucket("natalia-offsit") + right, "BucketNotFound", "Check the name"),
            (Bucket(empty) + right, "RepositoryNotFound", "-Prefix"),
            (open + $" -Prefix {Prefix} -Password {BareMachine.Secret("wrong")}", "WrongPassword", "Caps Lock"),
            (Key("nobody", CephServer.SecretKey) + right, "StoreCredentialRefused", "access key"),
            (Key(CephServer.AccessKey, "mistyped") + right, "StoreCredentialRefused", "its secret"),
            // On a VM with a role the SDK would find its credentials, or wait for them.
            ("$env:AWS_EC2_METADATA_DISABLED = 'true'; " + without + right, "StoreCredentialMissing", "-Credential"),
            ("$env:AWS_PROFILE = 'mistyped'; " + without + right, "StoreCredentialMissing", "-Credential"),
            (open.Replace("http:", "https:", StringComparison.Ordinal) + right, "StoreCertificateRefused",
                "plain http"),
            (open + $" -Prefix {Prefix}", "PasswordRequired", "SecureString"),
        ];
        RunnerProcess.Result told = await machine.RunAsync(string.Join('\n', slips.Select(s =>
            $"try {{ {s.Line} }} catch {{ \"$($_.FullyQualifiedErrorId.Split(',')[0])|$_|$($_.ErrorDetails."
            + "RecommendedAction)\" }")));
        Assert.True(told.ExitCode == 0, $"{told.Output}\n{told.Error}");
        Assert.Equal(slips.Select(s => s.Id), told.Lines.Select(l => l.Split('|')[0]));
        foreach (((string _, string _, string cure), string line) in slips.Zip(told.Lines))
            Assert.Contains(cure, line.Split('|')[^1], StringComparison.Ordinal);

        Assert.Contains(told.Lines, l => l.Contains("\"mistyped\" profile", StringComparison.Ordinal));

        string Bucket(string name) =>
            BareMachine.OpenBucket(name, server.Endpoint, CephServer.AccessKey, CephServer.SecretKey);

        string Key(string key, string secret) => BareMachine.OpenBucket(bucket, server.Endpoint, key, secret);
    }
}
