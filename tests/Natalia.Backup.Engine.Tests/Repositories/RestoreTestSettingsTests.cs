using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Repositories;

/// <summary>What is kept of restore tests: settings, the baseline of a point, the tests themselves.</summary>
public sealed class RestoreTestSettingsTests : IDisposable
{
    private readonly RepositoryFixture _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public async Task Settings_read_as_they_were_written_and_members_of_a_newer_version_stay()
    {
        using Repository repository = await _bench.CreateAsync();
        var settings = new ApplianceSettings
        {
            ApplianceId = RepositoryFixture.Appliance.ApplianceId,
            Name = "natalia-paris",
            HypervisorKind = "Folder",
            RestoreTest = RestoreTestSettingsJson.Decode(
                """{"testBench":"bench","auditCommand":["/bin/a","b c"],"tolerance":0.25,"later":{"x":[1]}}"""),
            UnknownMembers = """{"newer":true}""",
        };
        await repository.SetApplianceSettingsAsync(settings, default);
        ApplianceSettings read = Assert.Single(await repository.GetApplianceSettingsAsync(default));

        Assert.Equal(("bench", 0.25m), (read.RestoreTest!.TestBench, read.RestoreTest.Tolerance));
        Assert.Equal(["/bin/a", "b c"], read.RestoreTest.AuditCommand!);
        Assert.True(RestoreTestSettingsJson.AreSame(settings.RestoreTest, read.RestoreTest));
        Assert.Equal("""{"newer":true}""", read.UnknownMembers);
        Assert.Contains("\"later\":{\"x\":[1]}", RestoreTestSettingsJson.Encode(read.RestoreTest with
        {
            TestBench = "other",
        }), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_point_keeps_its_baseline_and_so_does_its_copy()
    {
        var baseline = new CdrBaseline
        {
            Count = 20_123,
            BusinessDay = "2026-11-27",
            TimeZone = "UTC",
            IsCounted = true,
        };
        using Repository repository = await _bench.CreateAsync();
        RestorePoint made = await repository.BackupAsync(
            RepositoryFixture.Request(new MemoryDiskSource(RepositoryFixture.Disk(200_000, 1))) with
            {
                CdrBaseline = baseline,
            }, null, null, default);

        Assert.Equal(baseline, made.CdrBaseline);
        Assert.Equal(baseline, Assert.Single(await RepositoryFixture.PointsAsync(repository)).CdrBaseline);
        using var other = new RepositoryFixture();
        using Repository destination = await other.CreateAsync();
        await new PointCopier(repository, destination, _ => { }).CopyAsync(made, false, null, default);
        Assert.Equal(baseline, Assert.Single(await RepositoryFixture.PointsAsync(destination)).CdrBaseline);
    }

    [Fact]
    public async Task A_test_is_a_signed_record_that_changes_nothing()
    {
        using Repository repository = await _bench.CreateAsync();
        RestorePoint point = await RepositoryFixture.BackupAsync(repository, RepositoryFixture.Disk(100_000, 1));
        await repository.RecordRestoreTestAsync(point, "Passed", """{"test":"1","checks":[]}""", default);
        AuditRecord record = Assert.Single(await repository.GetAuditRecordsAsync(
            new AuditRecordFilter { Events = ["restore-tested"] }, e => throw e, default));

        Assert.Equal((point.RestorePointId, point.Sequence, "Passed", """{"test":"1","checks":[]}"""),
            (record.RestorePointId, record.Sequence, record.Reason, record.Data));
        Assert.Equal(point.RestorePointId,
            Assert.Single(await RepositoryFixture.PointsAsync(repository)).RestorePointId);
        Assert.All(await repository.VerifyAuditAsync(new AuditExpectations(), default),
            c => Assert.NotEqual(CheckOutcome.Failed, c.Result));
    }
}
