using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Testing;

/// <summary>
/// What every repository of restore points must do, whoever puts the points there. One passes by deriving from this and
/// opening one with three points of an appliance, made at different times.
/// </summary>
public abstract class PointRepositoryConformance : IAsyncLifetime
{
    private IPointRepository? _repository;

    protected IPointRepository Repository => _repository!;

    /// <summary>The VM that the points are of.</summary>
    protected abstract ApplianceDescription Appliance { get; }

    protected abstract Task<IPointRepository> OpenAsync();

    protected abstract Task CloseAsync();

    public async Task InitializeAsync() => _repository = await OpenAsync();

    public Task DisposeAsync() => CloseAsync();

    [Fact]
    public async Task Points_are_listed_the_newest_first_by_appliance_and_by_time()
    {
        IReadOnlyList<RestorePoint> points = await ListAsync();
        Assert.Equal(3, points.Count);
        Assert.Equal(points.OrderByDescending(p => p.TimeUtc), points);
        Assert.All(points,
            p => Assert.Equal((Appliance.ApplianceId, Repository.RepositoryId, Repository.Label, Repository.Kind),
                (p.ApplianceId, p.RepositoryId, p.Repository, p.RepositoryKind)));
        Assert.Empty(await ListAsync(new RestorePointFilter { ApplianceId = new string('e', 32) }));
        RestorePoint inBetween = Assert.Single(await ListAsync(new RestorePointFilter
        {
            ApplianceId = Appliance.ApplianceId,
            AfterUtc = points[1].TimeUtc,
            BeforeUtc = points[1].TimeUtc,
        }));
        Assert.Equal(points[1].RestorePointId, inBetween.RestorePointId);
    }

    [Fact]
    public async Task A_protected_point_shows_that_and_stays_until_it_is_lifted()
    {
        RestorePoint oldest = (await ListAsync())[2];
        Assert.True((await Repository.SetProtectionAsync(oldest, true, "kept for the auditor", default)).IsProtected);
        Assert.True((await ListAsync())[2].IsProtected);
        Assert.Equal(ErrorIds.RestorePointProtected, await RefusalAsync(oldest));
        Assert.Equal(NataliaErrorKind.PermissionDenied,
            (await Repository.FindRemovalRefusalAsync(oldest, default))!.Kind);
        Assert.False((await Repository.SetProtectionAsync(oldest, false, "no longer", default)).IsProtected);
        Assert.Null(await RefusalAsync(oldest));
        Assert.Equal(2, (await ListAsync()).Count);
    }

    [Fact]
    public async Task The_newest_point_is_never_removed()
    {
        RestorePoint newest = (await ListAsync())[0];
        Assert.Equal(ErrorIds.RestorePointIsNewest, await RefusalAsync(newest));
        Assert.Equal(3, (await ListAsync()).Count);
    }

    [Fact]
    public async Task Of_several_removals_those_that_are_refused_are_told_and_the_others_are_done()
    {
        IReadOnlyList<RestorePoint> points = await ListAsync();
        var told = new List<(string Id, string? Error)>();
        await Repository.RemoveRestorePointsAsync(Appliance.ApplianceId,
            [.. points.Reverse().Select(p => new PointRemoval(p, "test"))],
            (p, refusal) => told.Add((p.RestorePointId, refusal?.ErrorId)), default);
        Assert.Equal([(points[2].RestorePointId, null), (points[1].RestorePointId, null),
            (points[0].RestorePointId, ErrorIds.RestorePointIsNewest)],
            told);
        Assert.Equal(points[0].RestorePointId, Assert.Single(await ListAsync()).RestorePointId);
    }

    [Fact]
    public async Task What_was_removed_is_not_there_for_anybody()
    {
        RestorePoint gone = (await ListAsync())[1];
        await Repository.RemoveRestorePointAsync(gone, "test", default);
        Assert.Equal(ErrorIds.RestorePointNotFound, await RefusalAsync(gone));
        foreach (Func<Task> use in new Func<Task>[]
        {
            () => Repository.SetProtectionAsync(gone, true, "test", default),
            () => Repository.VerifyAsync(gone, TimeSpan.FromDays(30), null, default),
            () => Repository.GetConfigurationAsync(gone, default),
        })
        {
            Assert.Equal(ErrorIds.RestorePointNotFound, (await Assert.ThrowsAnyAsync<NataliaException>(use)).ErrorId);
        }
    }

    [Fact]
    public async Task A_point_tells_its_checks_its_configuration_and_whether_it_is_good()
    {
        IReadOnlyList<RestorePoint> points = await ListAsync();
        Assert.All(await Repository.VerifyAsync(points[0], TimeSpan.FromDays(30), null, default),
            c => Assert.Equal(points[0].RestorePointId, c.RestorePointId));
        Assert.Equal(Appliance.ApplianceId, (await Repository.GetConfigurationAsync(points[0], default)).ApplianceId);
        IReadOnlyList<RetentionPoint> described = await Repository.DescribeForRetentionAsync(points, default);
        Assert.Equal(points.Select(p => p.RestorePointId), described.Select(p => p.RestorePointId));
        Assert.All(described, p => Assert.True(p.IsGood));
    }

    [Fact]
    public async Task A_policy_is_kept_and_can_be_taken_away()
    {
        var policy = new RetentionPolicy
        {
            Daily = 7,
            Weekly = 4,
            TimeZoneId = await Repository.GetFixedTimeZoneAsync(default) ?? "UTC",
        };
        await Repository.SetRetentionPolicyAsync(Appliance.ApplianceId, Appliance.Name, policy, default);
        StoredRetentionPolicy stored = Assert.Single(await Repository.GetRetentionPoliciesAsync(default));
        Assert.Equal((Appliance.ApplianceId, policy), (stored.ApplianceId, stored.Policy));
        await Repository.SetRetentionPolicyAsync(Appliance.ApplianceId, Appliance.Name, null, default);
        Assert.Empty(await Repository.GetRetentionPoliciesAsync(default));
        NataliaException refused =
            await Assert.ThrowsAnyAsync<NataliaException>(
                () => Repository.SetRetentionPolicyAsync(Appliance.ApplianceId, Appliance.Name, new RetentionPolicy(),
                    default));
        Assert.Equal(ErrorIds.RetentionPolicyKeepsNothing, refused.ErrorId);
    }

    [Fact]
    public async Task An_enrolment_is_kept_with_its_settings()
    {
        Assert.Empty(await Repository.GetApplianceSettingsAsync(null, default));
        var settings = new ApplianceSettings
        {
            ApplianceId = Appliance.ApplianceId,
            Name = Appliance.Name,
            HypervisorKind = Appliance.HypervisorKind,
            DataDiskId = "scsi1",
            IncludeSystemDisk = true,
        };
        await Repository.SetApplianceSettingsAsync(Appliance, settings, default);
        Assert.Equal(settings, Assert.Single(await Repository.GetApplianceSettingsAsync(null, default)));
        await Repository.SetApplianceSettingsAsync(Appliance, settings with { IncludeSystemDisk = false }, default);
        Assert.False(Assert.Single(await Repository.GetApplianceSettingsAsync(null, default)).IncludeSystemDisk);
    }

    private Task<IReadOnlyList<RestorePoint>> ListAsync(RestorePointFilter? filter = null) =>
        Repository.GetRestorePointsAsync(filter ?? new RestorePointFilter(), null, null, default);

    /// <summary>Tries to remove a point, and makes sure that what would be refused was known beforehand.</summary>
    private async Task<string?> RefusalAsync(RestorePoint point)
    {
        string? foreseen = (await Repository.FindRemovalRefusalAsync(point, default))?.ErrorId;
        string? refused = null;
        try
        {
            await Repository.RemoveRestorePointAsync(point, "test", default);
        }
        catch (NataliaException e)
        {
            refused = e.ErrorId;
        }
        Assert.Equal(foreseen, refused);
        return refused;
    }
}
