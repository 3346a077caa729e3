using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>What it takes to connect to a hypervisor again, without its secret.</summary>
internal abstract record HypervisorSettings : ConnectionSettings
{
    /// <summary>The same with full paths: relative ones of a profile count from its folder.</summary>
    internal virtual HypervisorSettings From(string folder) => this;

    /// <summary>The same with names for the secrets that it needs.</summary>
    /// <param name="named">The name that the user gave; null leaves the choice.</param>
    internal virtual HypervisorSettings WithSecrets(string? named) => this;

    /// <summary>True when both lead to the same place.</summary>
    internal abstract bool LeadsTo(HypervisorSettings other);

    /// <summary>Connects.</summary>
    /// <param name="credential">Who connects; null where <see cref="ConnectionSettings.LoginSecret"/> is.</param>
    /// <exception cref="NataliaException">What the hypervisor throws.</exception>
    internal abstract Task<IHypervisor> OpenAsync(UserCredential? credential, CancellationToken cancellationToken);

    /// <summary>The machines whose loss takes the VMs along: a backup on one of them is none.</summary>
    /// <exception cref="NataliaException">They cannot be found out.</exception>
    internal abstract Task<IReadOnlyCollection<string>> FindMachinesAsync(CancellationToken cancellationToken);
}
