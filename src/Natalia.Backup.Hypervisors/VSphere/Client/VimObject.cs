using System.Xml.Linq;

namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>Some properties of a managed object, as they were at one time.</summary>
/// <param name="Reference">Which object.</param>
/// <param name="Properties">By path (<c>config.hardware</c>): the element <c>val</c>. A property that is not set, or
/// that the caller may not read, is missing.</param>
/// <param name="Missing">By path: the name of the fault with which a property could not be read.</param>
internal sealed record VimObject(VimReference Reference, IReadOnlyDictionary<string, XElement> Properties,
    IReadOnlyDictionary<string, string> Missing)
{
    /// <summary>A property, or null.</summary>
    internal XElement? this[string path] => Properties.TryGetValue(path, out XElement? value) ? value : null;

    /// <summary>A property's text, or null.</summary>
    internal string? Text(string path) => this[path]?.Value;

    /// <summary>A property's truth value, or null.</summary>
    internal bool? Flag(string path) => VimXml.FlagOf(this[path]?.Value);

    /// <summary>A property that refers to an object, or null.</summary>
    internal VimReference? ReferenceAt(string path) => this[path] is XElement e ? VimXml.ReferenceOf(e) : null;
}
