using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Audit;

/// <summary>Evidence about a repository that keeps no log of its own.</summary>
public sealed class NativeEvidenceTests
{
    private const string Other = "0123456789abcdef0123456789abcdef";
    private static readonly string s_point = new('a', 32);

    public static TheoryData<NativeEvent> Events => [.. Enum.GetValues(typeof(NativeEvent)).Cast<NativeEvent>()];

    [Fact]
    public async Task Evidence_stands_in_the_chain_with_all_it_says()
    {
        using var fixture = new RepositoryFixture { Password = "correct horse" };
        using Repository repository = await fixture.CreateAsync();
        string hash = await repository.RecordNativeAsync(Record(NativeEvent.PointProtected), default);

        AuditRecord record = Assert.Single(await RecordsAsync(repository));
        Assert.Equal((hash, "native-point-protected", "before the upgrade", s_point, Other),
            (record.RecordHash, record.Event, record.Reason, record.RestorePointId, record.NativeRepositoryId));
        Assert.Equal(("natalia-01", repository.RepositoryId), (record.ApplianceName, record.RepositoryId));
        Assert.Contains(
            "\"volume\":\"pbs:backup/vm/100/2026-03-01T00:00:00Z\",\"pointTimeUtc\":\"2026-03-01T00:00:00.0000000Z\",\"details\":{\"size\":\"12\"}",
            record.Data);
        Assert.All((await repository.VerifyAuditAsync(new AuditExpectations { Heads = [hash] }, default))
            .Where(r => r is not { Name: "AuditHead", Target: "log/" }),
            r => Assert.Equal(CheckOutcome.Passed, r.Result));
    }

    [Theory]
    [MemberData(nameof(Events))]
    public async Task Evidence_has_no_effect_on_what_the_repository_holds(NativeEvent what)
    {
        using var fixture = new RepositoryFixture { Password = "correct horse" };
        using Repository repository = await fixture.CreateAsync();
        await BackupAsync(repository, Disk(300_000, 1));
        RestorePoint point = (await PointsAsync(repository)).Single();
        // The same appliance and the same point id: an event that was taken for the repository's own would show.
        await repository.RecordNativeAsync(Record(what) with
        {
            ApplianceId = point.ApplianceId,
            RestorePointId = point.RestorePointId,
        }, default);

        Assert.Equal(point.ToString(), (await PointsAsync(repository)).Single().ToString());
        Assert.False((await PointsAsync(repository)).Single().IsProtected);
        Assert.Empty(await repository.GetRetentionPoliciesAsync(default));
        Assert.Empty(await repository.GetApplianceSettingsAsync(default));
        Assert.All(await CheckAsync(repository), r => Assert.Equal(CheckOutcome.Passed, r.Result));
        await BackupAsync(repository, Disk(300_000, 2));
        Assert.Equal(2, (await PointsAsync(repository)).Count);
        Assert.All(await repository.VerifyAuditAsync(new AuditExpectations(), default),
            r => Assert.Equal(CheckOutcome.Passed, r.Result));
    }

    [Fact]
    public async Task An_appliance_of_which_there_is_evidence_alone_is_known_by_name_and_harms_nothing()
    {
        using var fixture = new RepositoryFixture { Password = "correct horse" };
        using Repository repository = await fixture.CreateAsync();
        await Task.WhenAll(Enumerable.Range(0, 4)
            .Select(_ => repository.RecordNativeAsync(Record(NativeEvent.PointMade), default)));

        Assert.Equal("natalia-01", Assert.Single(await repository.GetAppliancesAsync(default)).Name);
        Assert.Empty(await PointsAsync(repository));
        Assert.All(await CheckAsync(repository), r => Assert.Equal(CheckOutcome.Passed, r.Result));
        Assert.All(await repository.VerifyAuditAsync(new AuditExpectations(), default),
            r => Assert.Equal(CheckOutcome.Passed, r.Result));
        Assert.Equal(4, (await RecordsAsync(repository)).Count);
    }

    [Fact]
    public async Task Without_its_password_a_repository_takes_no_evidence_but_shows_it()
    {
        using var fixture = new RepositoryFixture { Password = "correct horse" };
        using (Repository repository = await fixture.CreateAsync())
            await repository.RecordNativeAsync(Record(NativeEvent.PointRemoved), default);
        using Repository locked =
            await Repository.OpenAsync(new FaultStore(fixture.Store), null, fixture.Options, default);
        Assert.Equal(ErrorIds.PasswordRequired,
            (await Assert.ThrowsAsync<NataliaException>(
                () => locked.RecordNativeAsync(Record(NativeEvent.PointMade), default))).ErrorId);
        Assert.Equal(ErrorIds.PasswordRequired,
            (await Assert.ThrowsAsync<NataliaException>(() => locked.EnsureRecordableAsync(default))).ErrorId);
        Assert.Equal(Other, Assert.Single(await RecordsAsync(locked)).NativeRepositoryId);
    }

    private static NativeRecord Record(NativeEvent what) => new()
    {
        Event = what,
        ApplianceId = new string('b', 32),
        ApplianceName = "natalia-01",
        RepositoryId = Other,
        RepositoryKind = "Proxmox",
        Location = "pve1:pbs",
        RestorePointId = s_point,
        NativeId = "pbs:backup/vm/100/2026-03-01T00:00:00Z",
        PointTimeUtc = new DateTime(2026, 3, 1, 0, 0, 0, DateTimeKind.Utc),
        Reason = "before the upgrade",
        Details = [new("size", "12"), new("nothing", null)],
    };

    private static async Task<List<AuditRecord>> RecordsAsync(Repository repository) =>
        [.. (await repository.GetAuditRecordsAsync(new AuditRecordFilter(), damage => throw damage, default))
            .Where(r => r.ApplianceId is not null)];
}
