using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

public abstract class S3Conformance : ObjectStoreConformance
{
    private string? _bucket;

    public static string? Obstacle => CephServer.Obstacle;

    protected abstract bool WithObjectLock { get; }
    protected virtual string? Prefix => null;

    protected override async Task<IObjectStore> OpenEmptyAsync()
    {
        _bucket = await CephServer.Running.MakeBucketAsync(WithObjectLock);
        return await OpenAgainAsync();
    }

    protected override async Task<IObjectStore> OpenAgainAsync() =>
        await S3Store.OpenAsync(TestOptions.For(_bucket!) with { Prefix = Prefix }, None);
}

public sealed class PlainBucketConformance : S3Conformance
{
    protected override bool WithObjectLock => false;
}

public sealed class PrefixedBucketConformance : S3Conformance
{
    protected override bool WithObjectLock => false;
    protected override string Prefix => "/Some where/é+%2F&/";
}

/// <summary>
/// A bucket made with object lock keeps every version; objects that ask for no lock behave as everywhere.
/// </summary>
public sealed class LockableBucketConformance : S3Conformance
{
    protected override bool WithObjectLock => true;
    protected override int ManyObjects => 1_500;
}
