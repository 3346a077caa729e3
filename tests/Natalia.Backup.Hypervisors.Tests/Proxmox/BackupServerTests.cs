using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Proxmox.BackupServer;
using Natalia.Backup.Hypervisors.Proxmox.Rest;
using Natalia.Backup.ProxmoxSimulator;
using static Natalia.Backup.Hypervisors.Tests.Proxmox.TransportTests;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

public sealed class BackupServerTests : IAsyncLifetime
{
    private const string Token = "audit@pbs!natalia", Secret = "99999999-2222-3333-4444-555555555555";
    private readonly JumpingClock _clock = new();
    private readonly Dictionary<string, object?> _answers = [];
    private SimulatorServer _server = null!;

    public async Task InitializeAsync()
    {
        _server = await SimulatorServer.StartAsync(["pbs"], OperationTable.BackupServer, Answer);
        long now = _clock.GetUtcNow().ToUnixTimeSeconds();
        _answers["/version"] = new { version = "4.0.1", release = "1", repoid = "abc" };
        _answers["/admin/datastore"] = new[] { new Dictionary<string, object>
        {
            ["store"] = "tank",
            ["backend-type"] = "s3",
            ["mount-status"] = "nonremovable",
        } };
        _answers["/admin/prune"] = new[] { new Dictionary<string, object>
        {
            ["id"] = "p1",
            ["store"] = "tank",
            ["last-run-state"] = "OK",
            ["last-run-endtime"] = now - 3600,
        } };
        _answers["/admin/verify"] = new[] { new Dictionary<string, object>
        {
            ["id"] = "v1",
            ["store"] = "tank",
            ["last-run-state"] = "verification failed",
            ["last-run-endtime"] = now - 7200,
        } };
        _answers["/admin/datastore/tank/gc"] = new Dictionary<string, object>
        {
            ["store"] = "tank",
            ["last-run-state"] = "OK",
            ["last-run-endtime"] = now - 40 * 86400,
        };
        _answers["/admin/datastore/tank/snapshots"] = new object[]
        {
            Snapshot(now - 100, "ok", now - 86400),
            Snapshot(now - 200, "failed", now - 86400), new Dictionary<string, object>
            {
                ["backup-type"] = "vm",
                ["backup-id"] = "100",
                ["backup-time"] = now,
            },
        };
        _answers["/config/datastore/tank"] = new
        {
            name = "tank",
            backend = "type=s3,client=wasabi,bucket=natalia-backup,max-cache-size=10G",
            path = "/cache"
        };
        _answers["/admin/s3/wasabi/check"] = null;
    }

    public async Task DisposeAsync()
    {
        await _server.DisposeAsync();
        Assert.Empty(_server.Violations);
    }

    [Fact]
    public async Task Evidence_is_read_and_what_is_not_known_is_no_success()
    {
        using BackupServerEvidence evidence = await ConnectAsync();
        IReadOnlyList<CheckResult> checks = await evidence.ReadAsync("tank", TimeSpan.FromDays(30), default);
        Assert.Equal(CheckOutcome.Passed, One("PruneJob").Result);
        Assert.Equal((CheckOutcome.Failed, "verification failed"), (One("VerifyJob").Result, One("VerifyJob").Actual));
        Assert.Equal(CheckOutcome.Warning, One("GarbageCollection").Result);
        Assert.Contains("vm/100/", One("Verification").Target);
        Assert.Equal((CheckOutcome.Warning, "1 of 2 verified"),
            (One("VerificationCoverage").Result, One("VerificationCoverage").Actual));
        Assert.Equal(CheckOutcome.Warning, One("UnfinishedPoint").Result);
        Assert.Equal(("wasabi/natalia-backup", CheckOutcome.Passed), (One("S3Store").Target, One("S3Store").Result));

        _answers["/admin/prune"] = Array.Empty<object>();
        _answers["/admin/datastore/tank/snapshots"] = Array.Empty<object>();
        checks = await evidence.ReadAsync("tank", TimeSpan.FromDays(30), default);
        Assert.Equal(CheckOutcome.NotEvidenced, One("PruneJob").Result);
        Assert.Equal(CheckOutcome.NotEvidenced, One("VerificationCoverage").Result);
        await ThrowsAsync(ErrorIds.StorageNotFound, () => evidence.ReadAsync("typo", TimeSpan.FromDays(30), default));

        CheckResult One(string name) => checks.Single(c => c.Name == name);
    }

    [Fact]
    public async Task A_bucket_that_is_not_reached_is_failed_and_one_that_may_not_be_asked_is_not_evidence()
    {
        using BackupServerEvidence evidence = await ConnectAsync();
        _server.Intercept = r => r.Path.EndsWith("/check")
            ? new SimulatorReply(400, null, "Bad Request", RawBody: "failed to head bucket: 403 Forbidden")
            : null;
        CheckResult s3 = (await evidence.ReadAsync("tank", TimeSpan.FromDays(30),
            default)).Single(c => c.Name == "S3Store");
        Assert.Equal(CheckOutcome.Failed, s3.Result);
        // This server puts its words into the body as plain text.
        Assert.Contains("failed to head bucket", s3.Detail);
        _server.Intercept = r => r.Path.EndsWith("/check")
            ? new SimulatorReply(403, null, "Forbidden", RawBody: "permission check failed")
            : null;
        s3 = (await evidence.ReadAsync("tank", TimeSpan.FromDays(30), default)).Single(c => c.Name == "S3Store");
        Assert.Equal(CheckOutcome.NotEvidenced, s3.Result);
        Assert.Contains("Sys.Modify on /", s3.Detail);
    }

    [Fact]
    public async Task A_wrong_token_is_refused()
    {
        await ThrowsAsync(ErrorIds.AuthenticationFailed,
            async () => (await ConnectAsync("00000000-2222-3333-4444-555555555555")).Dispose());
    }

    private async Task<BackupServerEvidence> ConnectAsync(string secret = Secret) =>
        await BackupServerEvidence.ConnectAsync(new ProxmoxConnectOptions
        {
            Hosts = [$"127.0.0.1:{_server.Ports["pbs"]}"],
            User = Token,
            Secret = ProxmoxFixture.Secure(secret),
            CertificateThumbprints = [_server.Thumbprint("pbs")],
            Clock = _clock,
        }, default);

    private SimulatorReply Answer(SimulatorRequest request)
    {
        // Unlike Proxmox VE, a colon stands before the secret.
        if (request.Authorization != $"PBSAPIToken={Token}:{Secret}")
            return new SimulatorReply(401, null, "Unauthorized", RawBody: "authentication failed");
        return _answers.TryGetValue(request.Path, out object? answer)
            ? SimulatorReply.Ok(answer)
            : SimulatorReply.Fail(404, "not served");
    }

    private Dictionary<string, object> Snapshot(long time, string state, long verified) => new()
    {
        ["backup-type"] = "vm",
        ["backup-id"] = "100",
        ["backup-time"] = time,
        ["size"] = 1 << 20,
        ["protected"] = false,
        ["verification"] = new
        {
            state,
            upid = $"UPID:pbs:000003E9:00001B5F:0000ABCD:{verified:X8}:verify:tank:root@pam:"
        },
    };
}
