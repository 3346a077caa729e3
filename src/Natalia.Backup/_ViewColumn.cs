using System.ComponentModel;
using System.Management.Automation;

namespace Natalia.Backup;

#pragma warning disable CA1043 // Format files give whatever is shown.

/// <summary>A property of what is shown, as text.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class _ViewColumn
{
    private readonly Func<object?, string> _show;

    internal _ViewColumn(Func<object?, string> show) => _show = show;

    /// <summary>The text.</summary>
    /// <param name="one">What is shown.</param>
    /// <param name="property">The name of its property.</param>
    public string this[object? one, string property] =>
        one is null ? "" : _show(_View.Value(PSObject.AsPSObject(one), property));
}

/// <summary>A property of what is shown, as text in a column of a given width.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class _ViewName
{
    private readonly Func<PSObject, string, int, string> _show;

    internal _ViewName(Func<PSObject, string, int, string> show) => _show = show;

    /// <summary>The text.</summary>
    /// <param name="one">What is shown.</param>
    /// <param name="property">The name of its property.</param>
    /// <param name="width">How many characters a line of the column has.</param>
    public string this[object? one, string property, int width] =>
        one is null ? "" : _show(PSObject.AsPSObject(one), property, width);
}

/// <summary>A property of what is shown, as text in what other columns leave of the window.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class _ViewWords
{
    private readonly Func<PSObject, string, int, object?, string> _show;

    internal _ViewWords(Func<PSObject, string, int, object?, string> show) => _show = show;

    /// <summary>The text.</summary>
    /// <param name="one">What is shown.</param>
    /// <param name="property">The name of its property.</param>
    /// <param name="used">How many columns the others take, with the gaps between them.</param>
    /// <param name="host">The host that shows it.</param>
    public string this[object? one, string property, int used, object? host] =>
        one is null ? "" : _show(PSObject.AsPSObject(one), property, used, host);
}

/// <summary>Something about what is shown, as text in a column of a given width.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class _ViewWidth
{
    private readonly Func<PSObject, int, string> _show;

    internal _ViewWidth(Func<PSObject, int, string> show) => _show = show;

    /// <summary>The text.</summary>
    /// <param name="one">What is shown.</param>
    /// <param name="width">How many characters a line of the column has.</param>
    public string this[object? one, int width] => one is null ? "" : _show(PSObject.AsPSObject(one), width);
}

/// <summary>Something about what is shown, as text in what other columns leave of the window.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class _ViewRest
{
    private readonly Func<PSObject, int, object?, string> _show;

    internal _ViewRest(Func<PSObject, int, object?, string> show) => _show = show;

    /// <summary>The text.</summary>
    /// <param name="one">What is shown.</param>
    /// <param name="used">How many columns the others take, with the gaps between them.</param>
    /// <param name="host">The host that shows it.</param>
    public string this[object? one, int used, object? host] =>
        one is null ? "" : _show(PSObject.AsPSObject(one), used, host);
}

/// <summary>Something about what is shown, as text.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class _ViewObject
{
    private readonly Func<PSObject, string> _show;

    internal _ViewObject(Func<PSObject, string> show) => _show = show;

    /// <summary>The text.</summary>
    /// <param name="one">What is shown.</param>
    public string this[object? one] => one is null ? "" : _show(PSObject.AsPSObject(one));
}
