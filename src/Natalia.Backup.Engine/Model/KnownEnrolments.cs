namespace Natalia.Backup.Engine.Model;

/// <summary>What the logs of a repository say of enrolments: the newest word about each appliance. Immutable.</summary>
/// <param name="Enrolled">The settings of those that are enrolled.</param>
/// <param name="Ended">
/// Those whose enrolment ended. Of their settings only the name and the VMs that stood for the appliance are kept; the
/// kind of hypervisor is empty.
/// </param>
public sealed record KnownEnrolments(IReadOnlyList<ApplianceSettings> Enrolled, IReadOnlyList<ApplianceSettings> Ended);
