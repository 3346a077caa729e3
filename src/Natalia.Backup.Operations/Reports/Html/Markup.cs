namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>Text that is markup already, and made by this product alone.</summary>
/// <param name="Text">The markup.</param>
internal readonly record struct Markup(string Text);
