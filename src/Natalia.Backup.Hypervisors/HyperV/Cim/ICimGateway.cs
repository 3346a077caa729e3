namespace Natalia.Backup.Hypervisors.HyperV.Cim;

/// <summary>
/// All that is asked of a computer's CIM: four calls. Below it stands Windows' own client, which exists on Windows
/// only; everything above runs anywhere. Any thread.
/// </summary>
/// <remarks>Every call throws <see cref="CimFaultException"/> when it comes to no answer.</remarks>
internal interface ICimGateway : IDisposable
{
    /// <summary>One object with all of its properties; null when there is none.</summary>
    Task<CimRow?> GetAsync(CimPath path, CancellationToken cancellationToken);

    /// <summary>The objects that a WQL query finds.</summary>
    /// <param name="namespace">Where.</param>
    /// <param name="wql">What; values are written by <see cref="Wql"/>.</param>
    Task<IReadOnlyList<CimRow>> QueryAsync(string @namespace, string wql, CancellationToken cancellationToken);

    /// <summary>The objects that are associated with one.</summary>
    /// <param name="from">The object.</param>
    /// <param name="association">The association's class; null for all.</param>
    /// <param name="resultClass">The class of what is wanted, or one that it is derived from; null for all.</param>
    Task<IReadOnlyList<CimRow>> AssociatorsAsync(CimPath from, string? association, string? resultClass,
        CancellationToken cancellationToken);

    /// <summary>Calls a method of an object, or of a class when the path has no keys.</summary>
    Task<CimAnswer> InvokeAsync(CimPath target, string method, CimArguments arguments,
        CancellationToken cancellationToken);
}
