using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Immutability;

/// <summary>For how long everything in a repository is locked against deletion. Kept in the repository's log when it is made; needs a store with object lock.</summary>
/// <param name="Days">For how many days from its making a point, and everything it needs, is locked. 1 to 36,500.</param>
/// <param name="Mode">How strong the locks are. A store is opened with the mode of its repository.</param>
public sealed record ImmutabilityPolicy(int Days, ObjectLockMode Mode = ObjectLockMode.Compliance)
{
    internal const string Event = "immutability-set";

    /// <summary>
    /// How much longer than needed a lock is set, so that what later points go on needing is extended once in this time instead of at every run: a third of the period, at least one day, at most ten.
    /// </summary>
    internal TimeSpan Margin => TimeSpan.FromDays(Math.Min(10, Math.Max(1, Days / 3)));

    internal TimeSpan Period => TimeSpan.FromDays(Days);

    /// <summary>Until when something that is stored now is locked.</summary>
    internal DateTime RetainUntil(DateTime nowUtc) => nowUtc + Period + Margin;

    /// <exception cref="NataliaException"><c>ImmutabilityInvalid</c>.</exception>
    internal ImmutabilityPolicy Validate() => Days is >= 1 and <= 36_500 ? this
        : throw new NataliaException(ErrorIds.ImmutabilityInvalid, NataliaErrorKind.InvalidArgument, $"Points cannot be immutable for {Days} days: it must be 1 to 36,500.");

    internal static AuditEntry Entry(ImmutabilityPolicy policy) => new(Event) { WriteData = json =>
        {
            json.WriteNumber("days", policy.Days);
            json.WriteString("mode", policy.Mode.ToString());
        } };

    internal static ImmutabilityPolicy Read(AuditRecord record)
    {
        using JsonDocument data = JsonText.Parse(System.Text.Encoding.UTF8.GetBytes(record.Data ?? "{}"));
        long days = data.RootElement.ReadLong("days");
        if (!Enum.TryParse(data.RootElement.ReadString("mode"), out ObjectLockMode mode)) throw new FormatException("The immutability policy has an unknown mode.");
        return days is >= 1 and <= 36_500 ? new ImmutabilityPolicy((int)days, mode) : throw new FormatException("The immutability policy has an impossible period.");
    }
}
