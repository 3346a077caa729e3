using System.Globalization;
using Amazon.S3;
using Amazon.S3.Model;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;
using LockMode = Natalia.Backup.Engine.Storage.ObjectLockMode;

namespace Natalia.Backup.Storage.S3;

/// <summary>Locks of objects: sets them with puts and afterwards, and reads each back, for there are servers that
/// answer 200 and lock nothing. Never lifts or bypasses one.</summary>
/// <param name="requests">The bucket.</param>
/// <param name="versions">Which version's lock counts.</param>
/// <param name="mode">How strong locks are to be; null sets none.</param>
internal sealed class S3Locks(S3Requests requests, S3Versions versions, LockMode? mode) : IObjectLock
{
    /// <summary>Whether locks are set at all.</summary>
    internal bool AreSet => mode is not null;

    public LockMode Mode => mode ?? LockMode.Governance;

    public async Task<DateTime?> GetRetainUntilAsync(string name, CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        return RetainUntil(await versions.HeadFirstAsync(name, cancellationToken).ConfigureAwait(false));
    }

    public async Task<DateTime> ExtendAsync(string name, DateTime retainUntilUtc, CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        RequireAsked(retainUntilUtc);
        DateTime wanted = WholeSecond(retainUntilUtc);
        return await versions.AtFirstAsync(name, version => LockAsync(name, version, wanted, cancellationToken),
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Refuses a lock where none are set.</summary>
    /// <exception cref="NataliaException"><c>ObjectLockNotSupported</c>.</exception>
    internal void RequireAsked(DateTime? retainUntilUtc)
    {
        if (retainUntilUtc is null || mode is not null) return;
        throw new NataliaException(ErrorIds.ObjectLockNotSupported, NataliaErrorKind.NotSupported,
            $"'{requests.Location}' was opened without immutability, so it sets no locks.", requests.Location,
            "Open it with a lock mode.");
    }

    /// <summary>Asks for a lock together with the put.</summary>
    internal void Ask(PutObjectRequest request, DateTime until)
    {
        request.ObjectLockMode = Mode == LockMode.Compliance ? Amazon.S3.ObjectLockMode.Compliance
            : Amazon.S3.ObjectLockMode.Governance;
        request.ObjectLockRetainUntilDate = until;
    }

    /// <summary>Makes sure that a put's lock is there.</summary>
    internal async Task RequireAsync(string name, string? version, DateTime wanted, CancellationToken cancellationToken)
    {
        GetObjectMetadataResponse head = await requests.HeadAsync(name, version,
            cancellationToken).ConfigureAwait(false);
        // Where the put's headers had no effect, a request of its own may have.
        if (!IsLocked(head, wanted)) await LockAsync(name, version, wanted, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What keeps a version that could not be deleted, in words; null when no lock is known.</summary>
    internal async Task<string?> DescribeAsync(string name, string version, CancellationToken cancellationToken)
    {
        try
        {
            GetObjectMetadataResponse head = await requests.HeadAsync(name, version,
                cancellationToken).ConfigureAwait(false);
            if (head.ObjectLockLegalHoldStatus?.Value == "ON") return "by a legal hold";
            return RetainUntil(head) is DateTime until && until > requests.Clock.GetUtcNow().UtcDateTime.AddMinutes(-15)
                ? "until " + until.ToString("u", CultureInfo.InvariantCulture) : null;
        }
        catch (NataliaException error)
            when (error.ErrorId is ErrorIds.StoreAccessDenied or ErrorIds.ObjectNotFound or ErrorIds.StoreReadFailed)
        {
            // Not even readable (a delete marker, a missing right): the refusal itself is what is known.
            return null;
        }
    }

    // Servers keep whole seconds; rounding up never locks shorter than asked.
    internal static DateTime WholeSecond(DateTime time)
    {
        DateTime utc = time.ToUniversalTime();
        long rest = utc.Ticks % TimeSpan.TicksPerSecond;
        return rest == 0 ? utc : utc.AddTicks(TimeSpan.TicksPerSecond - rest);
    }

    /// <summary>Sets a lock and reads it back.</summary>
    private async Task<DateTime> LockAsync(string name, string? version, DateTime wanted,
        CancellationToken cancellationToken)
    {
        NataliaException? refusal = await TryAsync(name, version, Mode, wanted,
            cancellationToken).ConfigureAwait(false);
        GetObjectMetadataResponse head = await requests.HeadAsync(name, version,
            cancellationToken).ConfigureAwait(false);
        if (refusal is not null && !IsLocked(head, wanted) && head.ObjectLockMode?.Value == "COMPLIANCE"
            && mode == LockMode.Governance)
        {
            refusal = await TryAsync(name, version, LockMode.Compliance, wanted,
                cancellationToken).ConfigureAwait(false);
            head = await requests.HeadAsync(name, version, cancellationToken).ConfigureAwait(false);
        }
        if (IsLocked(head, wanted)) return RetainUntil(head)!.Value;
        string there = RetainUntil(head) is DateTime until ? "a lock until "
            + until.ToString("u", CultureInfo.InvariantCulture) : "no lock";
        throw refusal ?? new NataliaException(ErrorIds.ObjectNotLocked, NataliaErrorKind.Security,
            $"The server took the lock of '{name}' until {wanted.ToString("u", CultureInfo.InvariantCulture)}, but "
                + $"reports {there}.", $"{requests.Location}/{name}",
            "Give the key the right s3:GetObjectRetention. If it has that right, the server does not lock: do not "
                + "rely on it for immutability.");
    }

    private async Task<NataliaException?> TryAsync(string name, string? version, LockMode strength, DateTime wanted,
        CancellationToken cancellationToken)
    {
        var retention = new ObjectLockRetention
        {
            Mode = strength == LockMode.Compliance
            ? ObjectLockRetentionMode.Compliance : ObjectLockRetentionMode.Governance,
            RetainUntilDate = wanted
        };
        var request = new PutObjectRetentionRequest
        {
            BucketName = requests.Bucket,
            Key = requests.Key(name),
            VersionId = version,
            Retention = retention
        };
        try
        {
            await requests.SendAsync(name, S3Call.Lock, requests.Meter.Lock, t =>
                requests.Client.PutObjectRetentionAsync(request, t), cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.StoreAccessDenied)
        {
            // Refused either for want of rights, or because the lock is stronger already: reading it tells.
            return error;
        }
    }

    private bool IsLocked(GetObjectMetadataResponse head, DateTime wanted) => RetainUntil(head) >= wanted
        && (head.ObjectLockMode?.Value == "COMPLIANCE" || mode == LockMode.Governance);

    private DateTime? RetainUntil(GetObjectMetadataResponse head) =>
        head.ObjectLockMode is null || head.ObjectLockRetainUntilDate is not DateTime until || until.Year < 2000 ? null
            : requests.Utc(until);
}
